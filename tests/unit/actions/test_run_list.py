"""Runs are listed the newest first, however soon one follows another."""

from datetime import timedelta
from pathlib import Path

import pytest

from core.store import Store
from mlops.actions.run_list import listed
from pipelines.kinds import Kind
from tests.unit.actions.lived_store import NOW, OPEN, add_run


@pytest.mark.parametrize("apart", [timedelta(milliseconds=20), timedelta(seconds=1), timedelta(days=1)])
def test_the_newest_run_is_the_first(tmp_path: Path, apart: timedelta) -> None:
    store = Store(tmp_path / "store")
    order = [5, 1, 9, 3, 7, 2, 8, 4]  # of their names, which say nothing about it
    for place, number in enumerate(order):
        add_run(store, number, Kind.TRAINING, OPEN, started=NOW + place * apart)
    assert [row["run_id"] for row in listed(store)] == [f"flight-delay-training-{number}" for number in order[::-1]]
