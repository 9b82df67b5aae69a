"""The parts of the replay: requests spread over a month, a clock of its own, an AUC, and a page of what happened."""

import time
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.loop.flights import auc, batches, start_of
from benchmarks.loop.page import total, write
from benchmarks.loop.server import ReplayTime
from benchmarks.loop.year import Month


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=60))
def test_the_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, int]]) -> None:
    late = [score for is_late, score in rows if is_late]
    others = [score for is_late, score in rows if not is_late]
    if not late or not others:
        return
    pairs = [(a > b) + (a == b) / 2 for a in late for b in others]
    labels, scores = np.array([int(one) for one, _ in rows]), np.array([float(score) for _, score in rows])
    assert auc(labels, scores) == pytest.approx(sum(pairs) / len(pairs))


def test_requests_are_spread_over_the_month_and_hold_no_label(tmp_path: Path) -> None:
    path = tmp_path / "flights.parquet"
    rows = 1000
    table = {
        "late": [number % 2 for number in range(rows)],
        "hour": list(range(rows)),
        "temp": [None, 1.0] * (rows // 2),
    }
    pq.write_table(pa.table(table), path)
    found = list(batches(path, 2, 100, 30))
    assert [len(batch.rows) for batch in found] == [30, 30, 30, 10]
    assert len({batch.request_id for batch in found}) == 4
    times = [batch.time_us for batch in found]
    assert start_of(2) == times[0] < times[1] < times[-1] < start_of(3)
    assert not [row for batch in found for row in batch.rows if "late" in row or None in row.values()]
    asked = [(row["hour"] % 2, label) for batch in found for row, label in zip(batch.rows, batch.labels, strict=True)]
    assert all(hour == label for hour, label in asked)


def test_the_server_logs_by_the_replays_clock_and_goes_by_its_own(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text(str(start_of(13)))
    replayed = ReplayTime(clock)
    assert replayed.time_ns() == start_of(13) * 1000
    assert replayed.monotonic is time.monotonic


def test_the_page_shows_strategies_alarms_decisions_and_where_the_time_went(tmp_path: Path) -> None:
    decisions = [{"state": "done", "cause": "drift", "reason": "<drift>", "run_id": "r"}]
    seconds = {"monitor": 10.0, "decision and run": 30.0, "until it answers": 1.5, "task train-model": 9.0}
    months = [
        Month(9, [1], {"triggered": 0.7, "never retrained": 0.7, "monthly": 0.7}),
        Month(10, [1, 2], {"triggered": 0.6, "never retrained": 0.6}, ["drift: <dep>"], decisions, seconds),
    ]
    page = write(months, tmp_path / "loop.html", 0.62)
    html, drawing = page.read_text(), page.with_suffix(".svg").read_text()
    for wanted in (
        "triggered",
        "never retrained",
        "monthly",
        "drift: &lt;dep&gt;",
        "drift: done",
        "until it answers",
        "v2",
    ):
        assert wanted in html
    assert drawing.startswith("<svg xmlns=") and drawing.endswith("</svg>")
    assert total(months[1]) == 41.5
