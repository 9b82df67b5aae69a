"""Samples of the sweeps over deaths and crowds; the full ones are `python -m tests.sweeps` of this repository."""

import random
import subprocess
from pathlib import Path

import pytest
from sweeps import crowd, death, points, small_run


@pytest.mark.skipif(bool(points.missing()), reason=points.missing())
@pytest.mark.parametrize("fault", points.FAULTS)
@pytest.mark.parametrize(("number", "is_met"), [(2, True), (3, False)])
def test_a_fault_is_met_where_its_call_is_made(tmp_path: Path, fault: str, number: int, is_met: bool) -> None:
    point, trace = points.Point(fault, "write", number), tmp_path / "trace"
    killed_elsewhere = "echo one; echo two; kill -9 $$"
    strace = ["strace", "-f", "-qq", "-o", str(trace), *point.options]
    subprocess.run([*strace, "sh", "-c", killed_elsewhere], stdout=subprocess.DEVNULL, check=False)
    assert points.was_met(point, trace) == is_met, trace.read_text()


@pytest.mark.skipif(bool(points.missing()), reason=points.missing())
def test_failed_at_any_system_call_it_goes_on(tmp_path: Path) -> None:
    setting = death.setting_in(tmp_path)
    found = death.points(setting)
    assert len(found) > 600
    chosen = random.Random(4).sample(found, 6)
    results = [death.try_point(setting, point) for point in chosen]
    assert [(point, wrong) for point, _, wrong in results if wrong] == []
    assert sum(met for _, met, _ in results) >= 5


@pytest.mark.known_failure(21)
def test_many_runs_with_murders_share_one_store(tmp_path: Path) -> None:
    outcome = crowd.crowd(crowd.Crowd(runs=12, kinds=3, kills=3), tmp_path)
    assert outcome.problems == [], outcome
    assert small_run.name_of("condition-1/step-8") == "8"
