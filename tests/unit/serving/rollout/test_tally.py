"""Counts of all workers are summed; a killed worker's stay, and say whether the canary was at work when it ended."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.rollout import exposition, trial
from serving.rollout.tally import Tally, read
from serving.rollout.trial import CountedTrial, stage_folder
from serving.versions.split import CANARY, CHAMPION, Split

SPLIT = Split(2, 1, 7, 7, 50.0, "header", "x-user", b"salt")
OTHER = """
import sys, time
from pathlib import Path
from serving.rollout.tally import Tally
tally = Tally(Path(sys.argv[1]))
tally.began("champion")
tally.ended("champion", 0.01, 0.25, failed=False)
if sys.argv[2] == "answering":
    tally.began("canary")
if sys.argv[2] == "loading":
    tally.flag("loading", 1)
print("counted", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("at", "crashes"), [("idle", 0), ("answering", 1), ("loading", 1)])
def test_a_killed_process_leaves_its_counts(tmp_path: Path, at: str, crashes: int) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path), at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        assert read(tmp_path).crashes == 0, "it lives"
        os.kill(process.pid, signal.SIGKILL)
    counts = read(tmp_path)
    assert (counts.champion.requests, sum(counts.champion.scores), counts.crashes) == (1, 1, crashes)


def test_a_canary_that_ended_three_processes_is_deadly(tmp_path: Path) -> None:
    counted = CountedTrial.in_folder(tmp_path, "m", SPLIT)
    folder = stage_folder(tmp_path, "m", SPLIT)
    for expected in (False, False, True):
        with subprocess.Popen(
            [sys.executable, "-c", OTHER, str(folder), "loading"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
        assert counted.is_deadly() is expected


def test_threads_lose_no_count_and_a_key_scores_once(tmp_path: Path) -> None:
    counted = CountedTrial.in_folder(tmp_path, "m", SPLIT)

    def answer() -> None:
        for number in range(200):
            role = CANARY if number % 4 == 0 else CHAMPION
            counted.ended(counted.began(role), 0.5, f"user-{number}".encode(), failed=number % 10 == 0)
            counted.ended(counted.began(CHAMPION), 0.5, None, failed=False)

    threads = [threading.Thread(target=answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = read(stage_folder(tmp_path, "m", SPLIT))
    assert (counts.canary.requests, counts.champion.requests) == (200, 1400)
    assert counts.canary.failed + counts.champion.failed == 80
    assert sum(counts.canary.scores) == 50, "50 keys, each from four threads"
    assert sum(counts.champion.scores) == 150 + 800, "a request without a key is one of its own"


def test_a_request_that_hangs_counts_as_failed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = CountedTrial.in_folder(tmp_path, "m", SPLIT)
    began = counted.began(CANARY)
    counted.check()
    monkeypatch.setattr(trial, "HANG_SECONDS", 0.0)
    counted.check()
    counted.ended(began, 0.5, None, failed=False)
    canary = read(stage_folder(tmp_path, "m", SPLIT)).canary
    assert (canary.began, canary.ok, canary.failed) == (1, 0, 1)


def test_a_trial_that_is_closed_takes_late_answers_and_counts_none(tmp_path: Path) -> None:
    tally = Tally(tmp_path)
    tally.close()
    tally.began(CANARY)
    tally.ended(CANARY, 0.1, 0.5, failed=False)
    assert tally.is_new(0.5)
    assert read(tmp_path).canary.began == 0


def test_the_metrics_are_by_version_and_their_buckets_add_up(tmp_path: Path) -> None:
    counted = CountedTrial.in_folder(tmp_path, "m", SPLIT)
    for score in (0.05, 0.15, 0.95, 12.0):
        counted.ended(counted.began(CANARY), score, None, failed=False)
    found = {
        (sample.name, sample.labels.get("le", sample.labels.get("outcome"))): sample.value
        for family in text_string_to_metric_families(exposition.text(tmp_path).decode())
        for sample in family.samples
        if sample.labels.get("version") == "2"
    }
    assert found["mlops_serving_canary_requests_total", "ok"] == 4
    assert [found["mlops_serving_canary_scores_bucket", le] for le in ("0.1", "0.2", "0.9", "1.0", "+Inf")] == [
        1,
        2,
        2,
        3,
        4,
    ]
    assert found["mlops_serving_canary_seconds_bucket", "10.0"] == 4
    assert exposition.text(tmp_path / "none") == b""
