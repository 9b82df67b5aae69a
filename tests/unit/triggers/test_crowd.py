"""Exactly one decision and one run for each fact: deliveries doubled and shuffled, handlers racing and killed."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from core import durable
from mlops.triggers.storage.file import FileStorage
from tests.unit.triggers.crowd import Crowd, run


@pytest.mark.known_failure(22)
def test_each_fact_has_one_decision_and_one_run(tmp_path: Path) -> None:
    outcome = run(Crowd(facts=40, deliveries=300), tmp_path)
    assert not outcome.faults, outcome


def test_a_new_journal_waits_for_another_process_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    lock = durable.locked(tmp_path / ".journal.sqlite.lock")
    with ThreadPoolExecutor(1) as pool:
        with lock, closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # what SQLite does to make a new file a write-ahead log
            opening = pool.submit(FileStorage, path)
            with pytest.raises(TimeoutError):
                opening.result(0.5)
        assert opening.result(60).place == str(path)
