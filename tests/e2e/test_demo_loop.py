"""The loop closes by itself: requests, labels a week later, the monitor's alarm in October, a training, a gate's word.

It takes many minutes (`make demo-loop` shows it), so it runs where MLOPS_TEST_LOOP is set; its parts are tested in
`tests/unit/benchmarks/test_loop.py`, and what it calls where that lies.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.loop.page import write
from benchmarks.loop.services import Home
from benchmarks.loop.year import Month, Plan, Replay
from tests.free_port import free_port

pytestmark = [
    pytest.mark.nightly("months of 2013 are replayed"),
    pytest.mark.timeout(7200),
]


def _ports() -> Iterator[int]:
    while True:
        yield free_port()


def test_autumn_is_noticed_and_answered_without_a_person(tmp_path: Path) -> None:
    replay = Replay.prepare(Plan(first=9, last=11, rows=6_000, compare=False), Home(tmp_path / "loop", _ports()))
    months = {month.month: month for month in replay.run()}
    assert set(months) == {9, 10, 11}
    october = months[10]
    assert october.auc["triggered"] < months[9].auc["triggered"]
    assert [alarm for alarm in october.alarms if alarm.startswith(("drift", "performance"))]
    assert {decision["state"] for decision in october.decisions} <= {"done", "gate closed", "unchanged"}
    assert october.decisions, "an alarm is a fact, and a fact has a decision"
    for month in months.values():
        _check(month)
    page = write(list(months.values()), tmp_path / "page.html", 0.62)
    assert "never retrained" in page.read_text(encoding="utf-8")


def _check(month: Month) -> None:
    """A new version answers exactly where a gate has let one through."""
    pushed = [decision for decision in month.decisions if decision["state"] == "done"]
    assert (len(month.versions) > 1) == bool(pushed)
