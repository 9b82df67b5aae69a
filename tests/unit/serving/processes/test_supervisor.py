"""Workers change versions and end together, and a fresh one takes a grown one's place, whatever happens meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core import durable

SECONDS = 30
"""Longest wait for anything, on a loaded machine."""


class Supervised:
    """The server of `supervised.py`, and what its workers have done."""

    def __init__(self, folder: Path, stop_seconds: float) -> None:
        self.folder = folder
        self.set("version", 1)
        self.set("memory", 100)
        (folder / "events").touch()
        with (folder / "log").open("w") as log:
            script = Path(__file__).with_name("supervised.py")
            self.process = subprocess.Popen([sys.executable, str(script), str(folder), str(stop_seconds)], stderr=log)

    def set(self, name: str, value: int) -> None:
        durable.replace(self.folder / name, str(value).encode())

    def events(self, **wanted: object) -> list[dict[str, Any]]:
        lines = (self.folder / "events").read_text().splitlines()
        return [event for event in map(json.loads, lines) if wanted.items() <= event.items()]

    def pids(self, **wanted: object) -> list[int]:
        return [event["pid"] for event in self.events(**wanted)]

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            log = (self.folder / "log").read_text()
            assert self.process.poll() is None, log
            assert time.monotonic() < deadline, log + (self.folder / "events").read_text()
            time.sleep(0.02)


@contextmanager
def supervised(folder: Path, stop_seconds: float) -> Iterator[Supervised]:
    running = Supervised(folder, stop_seconds)
    try:
        running.until(lambda: len(running.pids(event="ready")) == 2)
        yield running
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(SECONDS) == 0, (folder / "log").read_text()
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Supervised]:
    with supervised(tmp_path, 1.0) as running:
        yield running


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Supervised]:
    """One that waits longer for its workers' end than the tests do for it."""
    with supervised(tmp_path, 10 * SECONDS) as running:
        yield running


def test_all_workers_change_at_one_moment_there_and_back(server: Supervised) -> None:
    skews = []
    for version in (2, 3, 2, 4, 2):
        before = len(server.events(event="answers", version=version))
        server.set("version", version)
        server.until(lambda: len(server.events(event="answers", version=version)) == before + 2)  # noqa: B023
        first, second = server.events(event="answers", version=version)[before:]
        assert first["pid"] != second["pid"]
        skews.append(second["at"] - first["at"])
    assert sorted(skews)[2] < 0.5, "polls of their own would be up to a second apart"


def test_a_worker_that_is_killed_in_the_middle_of_a_change_does_not_hold_it_up(server: Supervised) -> None:
    first, second = server.pids(event="ready")
    os.kill(first, signal.SIGSTOP)
    server.set("version", 2)
    time.sleep(0.2)
    assert not server.events(event="answers", version=2)
    os.kill(first, signal.SIGKILL)
    server.until(lambda: second in server.pids(event="answers", version=2))
    server.until(lambda: len(server.pids(event="ready")) == 3)
    fresh = server.pids(event="ready")[-1]
    assert [event["version"] for event in server.events(pid=fresh, event="answers")][-1] == 2


def test_a_worker_that_hangs_is_waited_for_only_so_long_and_then_replaced(server: Supervised) -> None:
    hung, other = server.pids(event="ready")
    os.kill(hung, signal.SIGSTOP)
    server.set("version", 2)
    server.until(lambda: other in server.pids(event="answers", version=2))
    server.until(lambda: len(server.pids(event="ready")) == 3)
    server.until(lambda: not Path(f"/proc/{hung}").exists())
    server.set("version", 3)
    server.until(lambda: len(server.pids(event="answers", version=3)) == 2)


def test_a_worker_that_grew_is_replaced_one_at_a_time_and_ends_last(server: Supervised) -> None:
    old = server.pids(event="ready")
    server.set("memory", 151)
    server.until(lambda: len(server.events(event="retires")) == 2)
    server.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in old))
    ready = 0
    for event in server.events():
        ready += {"ready": 1, "retires": -1}.get(event["event"], 0)
        assert event["event"] != "retires" or ready >= 2, "fewer workers than before"
        assert ready <= 3, "both at once"
    assert sorted(server.pids(event="retires")) == sorted(old)
    assert len(server.events(event="ready")) == 4, "the fresh ones have not grown"


def test_a_fresh_worker_that_does_not_come_to_answer_leaves_the_old_one_in_its_place(server: Supervised) -> None:
    old = server.pids(event="ready")
    (server.folder / "unready").touch()
    server.set("memory", 151)
    server.until(lambda: "took too long to start" in (server.folder / "log").read_text())
    assert not server.events(event="retires")
    (server.folder / "unready").unlink()
    server.until(lambda: sorted(server.pids(event="retires")) == sorted(old))


def test_a_worker_that_is_starting_when_the_server_stops_is_not_left_waiting(patient: Supervised) -> None:
    (patient.folder / "late").touch()
    fresh = _another(patient)
    patient.process.send_signal(signal.SIGTERM)
    assert patient.process.wait(SECONDS) == 0
    assert patient.pids(event="joined") == [fresh]
    assert "killed" not in (patient.folder / "log").read_text()


def test_a_second_signal_ends_the_server_without_waiting(patient: Supervised) -> None:
    (patient.folder / "busy").touch()
    fresh = _another(patient)
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):  # two at once are one wish
        patient.process.send_signal(number)
    patient.until(lambda: patient.pids(event="asked"))
    time.sleep(1)
    assert patient.process.poll() is None
    patient.process.send_signal(signal.SIGINT)
    assert patient.process.wait(SECONDS) == 0
    assert f"process {fresh} had not finished, and is killed" in (patient.folder / "log").read_text()


def _another(server: Supervised) -> int:
    """Kill a worker, and return the one that starts in its place."""
    before = server.pids(event="starts")
    os.kill(before[0], signal.SIGKILL)
    server.until(lambda: len(server.pids(event="starts")) == 3)
    return server.pids(event="starts")[-1]
