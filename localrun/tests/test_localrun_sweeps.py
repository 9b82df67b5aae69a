"""A sample of what `python -m sweeps.death` and `python -m sweeps.crowd` do in full."""

import random
from pathlib import Path

import pytest
from sweeps import crowd, death, small_run


@pytest.mark.skipif(bool(death.missing()), reason=death.missing())
def test_failed_at_any_system_call_it_goes_on(tmp_path: Path) -> None:
    setting = death.setting_in(tmp_path)
    points = death.points(setting)
    assert len(points) > 600
    chosen = random.Random(4).sample(points, 6)
    results = [death.try_point(setting, point) for point in chosen]
    assert [(point, found) for point, _, found in results if found] == []
    assert sum(met for _, met, _ in results) >= 5


def test_many_runs_with_murders_share_one_store(tmp_path: Path) -> None:
    found, summary = crowd.crowd(crowd.Crowd(runs=12, kinds=3, kills=3), tmp_path)
    assert found == [], summary
    assert small_run.name_of("condition-1/step-8") == "8"
