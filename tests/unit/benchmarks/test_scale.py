"""The benchmark of scale measures, or says what failed and why."""

import sys
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.scale_stages import beam_section
from core.beam.settings import Beam


def _main(monkeypatch: pytest.MonkeyPatch, out: Path, *stages: str) -> str:
    command = ["scale", "--factors", "1", "--workers", "0", "--out", str(out), "--stages", *stages]
    monkeypatch.setattr(sys, "argv", command)
    (out / "x1").mkdir(parents=True)
    (out / "x1" / "done").touch()
    with pytest.raises(SystemExit) as ended:
        scale.main()
    return str(ended.value)


def test_a_stage_without_what_it_reads_says_what_to_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _main(monkeypatch, tmp_path, "compute_statistics")
    assert said.startswith(f"compute_statistics failed on {tmp_path / 'x1'} with 0 workers")
    assert "reads what ingest_examples writes" in said
    assert said.endswith("add it to --stages")
    assert not (tmp_path / "scale.json").exists(), "nothing was measured"


def test_a_stage_that_fails_says_what_it_said_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = _main(monkeypatch, tmp_path, "ingest_examples")
    assert "with exit code 1" in said
    assert "span-{SPAN}" in said.splitlines()[-1], "the source has no span"


def test_one_worker_is_a_process_beside_the_step_as_each_of_two_is() -> None:
    assert beam_section(0) is None
    runners = [Beam.model_validate(beam_section(workers)).laptop for workers in (1, 2)]
    assert all(runner is not None and runner.starts_workers for runner in runners)
