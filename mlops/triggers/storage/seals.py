"""Seals of the journal's rows: a bit that changed on the disk is found before a row is used, and never written again.

SQLite has no checksums: it returns what the disk returns. Each row has a digest over its other columns, which SQL
triggers write with every change. A row of an older version has none, and is taken as it is until it is changed.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from typing import Any

from core.digest import of_bytes
from mlops.triggers.storage.operations import SCHEMA, TABLES
from mlops.triggers.storage.protocol import JournalError

CHECKED_BYTES = 2 << 20
"""Up to this size (some thousand facts) tables are checked whenever they are opened: a changed bit in a key makes
SQLite lose rows that their seals cannot speak for."""
_VERSION = 1
_WHY = "a row is not as it was written; restore the journal, or move it away: facts that come again start new runs"


class Changed(JournalError):
    """The tables are not as this program, or another one of its version, has written them."""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables that are missing, and let their rows be sealed; Changed for those of another version."""
    version = _one(db, "PRAGMA user_version")
    if version == _VERSION:
        return
    if version:
        raise Changed(f"its tables are of version {version}, this program knows {_VERSION}; update it")
    db.execute("BEGIN IMMEDIATE")
    for statement in _made(db):
        db.execute(statement)
    db.execute("COMMIT")


def register(db: sqlite3.Connection) -> None:
    """Give a connection the function that its triggers call."""
    db.create_function("seal_of", -1, lambda *columns: _seal(columns), deterministic=True)


def check(db: sqlite3.Connection) -> None:
    """Check the definitions, and keys and seals of tables that are not too large; Changed for the first that is wrong.

    A definition is part of the file: a changed name or condition would let rows be written without their seals.
    """
    if _definitions(db) != _wanted():
        raise Changed("its tables are not defined as they were; restore the journal, or move it away")
    if _one(db, "PRAGMA page_count") * _one(db, "PRAGMA page_size") > CHECKED_BYTES:
        return
    fault = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if fault != "ok":
        raise Changed(f"it is damaged: {fault}")
    for table in TABLES:
        for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name of our own
            opened(row)


def opened(row: sqlite3.Row) -> dict[str, Any]:
    """Return a whole row without its seal; Changed when it is not as it was written."""
    columns = dict(row)
    seal = columns.pop("seal")
    if seal and seal != _seal(list(columns.values())):
        raise Changed(_WHY)
    return columns


def _seal(columns: Sequence[Any]) -> str:
    return of_bytes(json.dumps(list(columns), default=repr).encode())  # a changed type may be bytes


def _made(db: sqlite3.Connection) -> Iterator[str]:
    """Yield what makes the tables and their triggers, one statement after the other."""
    yield from SCHEMA.split(";")
    for table in TABLES:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        if "seal" not in columns:
            yield f"ALTER TABLE {table} ADD COLUMN seal TEXT NOT NULL DEFAULT ''"
        names = [name for name in columns if name != "seal"]
        now, before = ", ".join(names), ", ".join(f"OLD.{name}" for name in names)
        seal = f"BEGIN UPDATE {table} SET seal = seal_of({now}) WHERE rowid = NEW.rowid; END"  # noqa: S608 - ours
        yield f"CREATE TRIGGER IF NOT EXISTS {table}_made AFTER INSERT ON {table} {seal}"
        yield f"CREATE TRIGGER IF NOT EXISTS {table}_changed AFTER UPDATE OF {now} ON {table} {seal}"
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {table}_intact BEFORE UPDATE OF {now} ON {table} "
            f"WHEN OLD.seal != '' AND OLD.seal != seal_of({before}) BEGIN SELECT RAISE(ABORT, '{_WHY}'); END"
        )
    yield f"PRAGMA user_version = {_VERSION}"


def _definitions(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Return type, name, table and SQL of each, without line breaks, which differ between versions."""
    rows = db.execute("SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_master")
    return {tuple(" ".join(str(text).split()) for text in row) for row in rows}


@cache
def _wanted() -> set[tuple[str, ...]]:
    """The definitions of new tables."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        prepare(db)
        return _definitions(db)


def _one(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])
