"""A database on disk that joins outcomes to predictions; memory does not grow with the number of rows.

Everything it returns depends on the set of outcomes and predictions alone, not on their order or repetition.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Self

from artifacts.outcomes.reader import Outcome
from artifacts.prediction_log import names

_TABLES = """
CREATE TABLE outcome (key TEXT, time INTEGER, label, place TEXT, PRIMARY KEY (key, time, label)) WITHOUT ROWID;
CREATE TABLE resolved (key TEXT PRIMARY KEY, label, time INTEGER, first INTEGER, state TEXT, place TEXT) WITHOUT ROWID;
CREATE TABLE record (
  key TEXT, version INTEGER, role TEXT, time INTEGER, request TEXT, row INTEGER, scores BLOB, example BLOB,
  UNIQUE (key, version, role, time, request, row));
"""
_FIRST = """
CREATE TABLE prediction AS SELECT * FROM (SELECT rowid AS id, key, version, role, time, scores, row_number() OVER
  (PARTITION BY key, version, role ORDER BY time, request, row) AS place FROM record) WHERE place = 1;
CREATE TABLE joined AS SELECT p.id, p.key, p.version, p.role, p.time, p.scores, r.label, r.first, CASE
  WHEN r.key IS NULL THEN CASE WHEN p.time <= :due THEN 'overdue' ELSE 'waiting' END
  WHEN r.first < p.time THEN 'before_prediction' WHEN r.state = 'conflicting' THEN 'conflicting'
  ELSE 'labeled' END AS state FROM prediction p LEFT JOIN resolved r ON r.key = p.key;
CREATE TABLE answered AS SELECT * FROM (SELECT j.*, row_number() OVER
  (PARTITION BY key ORDER BY time, version, role) AS nth FROM joined j WHERE role <> :shadow) WHERE nth = 1;
CREATE INDEX answered_time ON answered (time);
CREATE INDEX joined_time ON joined (time);
"""
_CACHE_KIB = 64 * 1024


class Prediction(NamedTuple):
    """A logged row."""

    key: str
    version: int
    role: str
    time: int
    request: str
    row: int
    scores: bytes
    """float32, flat."""
    example: bytes
    """The raw features, serialized."""


class Table:
    """Predictions and outcomes of one model, joined as they were known at an instant."""

    def __init__(self, folder: Path) -> None:
        """Create the database in an empty folder, which the caller removes."""
        self._database = sqlite3.connect(folder / "join.sqlite", isolation_level=None)
        self._database.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{_CACHE_KIB}; "
            f"PRAGMA temp_store = FILE; {_TABLES} BEGIN;"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_outcome(self, outcome: Outcome) -> bool:
        """Keep an outcome; return whether it is new."""
        return self._new("INSERT OR IGNORE INTO outcome VALUES (?, ?, ?, ?)", _sortable(outcome))

    def add_prediction(self, prediction: Prediction) -> bool:
        """Keep a prediction; return whether it is new."""
        return self._new("INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", prediction)

    def join(self, due: int) -> Counter[str]:
        """Find each key's label, and join it to the predictions; returns the number of keys by their outcome's state.

        The latest label of a key counts; labels that differ at that instant are conflicting. Predictions up to `due`
        without a label are overdue.
        """
        counts: Counter[str] = Counter()
        with closing(self._database.cursor()) as reader:
            rows = reader.execute("SELECT key, time, label, place FROM outcome ORDER BY key, time, label")
            for key, group in groupby(rows, key=lambda row: row[0]):
                resolved = _resolved(key, group)
                counts[resolved[4]] += 1
                self._database.execute("INSERT INTO resolved VALUES (?, ?, ?, ?, ?, ?)", resolved)
        self._database.execute("CREATE INDEX record_key ON record (key)")
        for statement in filter(str.strip, _FIRST.split(";")):
            self._database.execute(statement, {"due": due, "shadow": names.SHADOW} if ":" in statement else {})
        return counts

    def count(self, query: str, *values: Any) -> int:
        """Return the number that a query returns."""
        return int(self._database.execute(query, values).fetchone()[0] or 0)

    def select(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""
        with closing(self._database.cursor()) as cursor:
            yield from cursor.execute(query, values)

    def _new(self, statement: str, values: Iterable[Any]) -> bool:
        return self._database.execute(statement, tuple(values)).rowcount > 0


def _sortable(outcome: Outcome) -> tuple[str, int, str | int | float, str]:
    return outcome.key, outcome.time_us, outcome.label, outcome.where


def _resolved(key: str, group: Iterable[tuple[Any, ...]]) -> tuple[str, Any, int, int, str, str]:
    """Return a key's label, when that became known, when its first one did, its state, and where it was read."""
    lines = list(group)
    first, time, last = lines[0][1], lines[-1][1], lines[-1][2]
    if sum(line[1] == time for line in lines) > 1:
        return key, None, time, first, "conflicting", lines[-1][3]
    state = "corrected" if any(line[2] != last for line in lines) else "once"
    return key, last, time, first, state, lines[-1][3]
