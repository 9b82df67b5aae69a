"""A bit that changed on the disk of the journal is found before it decides anything."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core import objects
from mlops.triggers.journal import Journal
from mlops.triggers.records import State
from mlops.triggers.storage import log
from mlops.triggers.storage.file import FileStorage
from mlops.triggers.storage.operations import SCHEMA, TABLES
from mlops.triggers.storage.protocol import JournalError
from pipelines.triggers import Trigger
from tests.unit.triggers.conftest import Rules, Station

CHANGES = [
    "facts SET event = event || ' '",
    "facts SET received = received + 1",
    "facts SET deliveries = deliveries + 2",
    "facts SET decision = NULL",
    "decisions SET usecase = 'flighty'",
    "decisions SET state = 'failed'",
    "decisions SET decided = decided - 1",
    "decisions SET run_id = x'00'",
    "letters SET why = ''",
    "marks SET value = '2'",
    "turns SET until = 0",
]


@pytest.fixture
def full(station: Station) -> Station:
    """A journal with a row in every table."""
    station.take("a")
    station.work()
    station.journal.bury({"id": "b"}, "nobody knows it")
    station.journal.set_mark("span", "1")
    station.storage.change("take_turn", usecase="flights", owner="o", now=station.now, seconds=9.0)
    assert all(_rows(station, table) for table in TABLES)
    return station


def _file(station: Station) -> Path:
    return Path(station.storage.place)


def _rows(station: Station, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(_file(station))) as db:
        return db.execute(f"SELECT * FROM {table}").fetchall()


def _damage(station: Station, change: str) -> None:
    """Change a value as a disk would: without SQLite's triggers."""
    table = change.partition(" ")[0]
    with closing(sqlite3.connect(_file(station), isolation_level=None)) as db:
        kept = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,))
        triggers = kept.fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute(f"UPDATE {change}")
        for _, sql in triggers:
            db.execute(sql)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_value_keeps_the_journal_from_being_opened(full: Station, change: str) -> None:
    _damage(full, change)
    with pytest.raises(JournalError, match=r"journal\.sqlite: .* a row is not as it was written; restore the journal"):
        FileStorage(_file(full))


def test_a_value_that_changes_while_a_handler_runs_is_neither_read_nor_written_again(full: Station) -> None:
    _damage(full, "facts SET event = 'x'")
    before = _rows(full, "facts")
    with pytest.raises(JournalError, match="not as it was written"):
        full.journal.fact("/test#a")
    with pytest.raises(JournalError, match="not as it was written"):
        full.take("a")
    assert _rows(full, "facts") == before, "counting a delivery would have sealed the changed row"
    _damage(full, "decisions SET decided = decided + 3600")
    with pytest.raises(JournalError, match="not as it was written"):
        full.journal.last_start("flights", "manual")


def test_what_a_handler_does_is_sealed_at_every_step(station: Station) -> None:
    for id_ in ("a", "b", "a"):
        station.take(id_)
        station.now += 60
        station.work()
        Journal(FileStorage(_file(station)))
    station.journal.attempt(station.journal.decisions()[0])
    assert all(row[-1] for table in ("facts", "decisions") for row in _rows(station, table))
    assert [one.state for one in Journal(FileStorage(_file(station))).decisions()] == [State.DONE] * 2


def test_rows_of_an_older_version_are_taken_and_sealed_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "triggers" / "journal.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
        for name in ("a", "b"):
            db.execute(
                "INSERT INTO facts (key, source, id, cause, usecase, schedule, time, event, received) "
                "VALUES (?, '/test', ?, 'manual', 'flights', '', 1.0, '{}', 1.0)",
                (f"/test#{name}", name),
            )
        db.commit()
    station = Station(tmp_path, rules=Rules({"flights": Trigger()}))
    assert len(station.journal.waiting()) == 2
    assert not station.take("a")
    assert [bool(row[-1]) for row in _rows(station, "facts")] == [True, False]
    assert station.journal.fact("/test#a").deliveries == 2  # type: ignore[union-attr]
    _damage(station, "facts SET event = '[]' WHERE id = 'a'")
    with pytest.raises(JournalError, match="not as it was written"):
        FileStorage(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [("UPDATE OF key, source", "UPDATE OF key, sourcf"), ("usecase TEXT", "urecase TEXT"), ("WHEN OLD", "WHEN NEW")],
)
def test_a_changed_definition_keeps_the_journal_from_being_opened(full: Station, old: str, new: str) -> None:
    content = _file(full).read_bytes()
    assert old.encode() in content
    _file(full).write_bytes(content.replace(old.encode(), new.encode()))
    with pytest.raises(JournalError, match=r"journal\.sqlite: the journal of triggers cannot be used: "):
        FileStorage(_file(full))


def test_tables_of_a_newer_version_are_left_alone(full: Station) -> None:
    with closing(sqlite3.connect(_file(full))) as db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(JournalError, match="its tables are of version 9, this program knows 1; update it"):
        FileStorage(_file(full))


@pytest.fixture
def stored(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Station:
    """A journal in an object store: eight operations, with two copies of its tables."""
    monkeypatch.setattr(log, "EVERY", 4)
    station = Station(tmp_path, rules=Rules(), address=f"{bucket}/triggers")
    for number in range(8):
        station.storage.change("set_mark", name=f"{number}", value="seen")
    return station


def _marks(station: Station) -> list[str | None]:
    again = Station(station.home, rules=Rules(), address=station.address)
    return [again.journal.mark(f"{number}") for number in range(8)]


def _replace(address: str, old: bytes, new: bytes) -> None:
    content = objects.read(address)
    assert old in content
    objects.write(address, content.replace(old, new))


def test_a_copy_of_the_tables_that_changed_is_left_out(stored: Station) -> None:
    copies = [entry.address for entry in objects.entries(f"{stored.address}/tables")]
    assert len(copies) == 2
    _replace(copies[1], b"seen", b"sean")
    assert _marks(stored) == ["seen"] * 8
    objects.write(copies[0], b"no tables")
    assert _marks(stored) == ["seen"] * 8


def test_an_operation_that_changed_is_no_operation(stored: Station) -> None:
    copies = [entry.address for entry in objects.entries(f"{stored.address}/tables")]
    for address in copies:
        objects.delete(address)
    operations = [entry.address for entry in objects.entries(f"{stored.address}/log")]
    _replace(operations[2], b'"seen"', b'"sean"')
    with pytest.raises(JournalError, match=r"3\.json: an operation is not as it was written; restore the object"):
        _marks(stored)
    objects.write(operations[2], b"{")
    with pytest.raises(JournalError, match=r"3\.json: an operation is not as it was written: .*; restore the object"):
        _marks(stored)
