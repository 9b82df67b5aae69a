"""The journal: what ran, where it stands and what it made, in one SQLite file that survives a death at any instant."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localrun.errors import StoreError
from localrun.records import State, TaskRun, Values
from localrun.store.codec import Codec, text
from localrun.store.layout import Layout, alone
from localrun.store.seals import WAY_OUT, opened, sealed

_VERSION = 1
_APPLICATION = 0x6C6F6372
_BUSY_SECONDS = 60.0
_CHECKED_BYTES = 2 << 20
"""Up to this size (some 500 tasks) the file is checked whenever it is opened, in 10 ms: a changed bit in a key makes
SQLite lose rows that their seals cannot speak for. In a larger file such a task is unknown, and would run again."""
_SCHEMA = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, digest TEXT NOT NULL, state TEXT NOT NULL,
    parameters TEXT NOT NULL,
    started TEXT NOT NULL, seconds REAL NOT NULL, error TEXT NOT NULL, outputs TEXT NOT NULL
) STRICT;
CREATE TABLE tasks (
    run_id TEXT NOT NULL REFERENCES runs, path TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (run_id, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE executions (
    number INTEGER PRIMARY KEY, execution TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, path TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    cache_key TEXT NOT NULL, state TEXT NOT NULL, outputs TEXT NOT NULL
) STRICT;
CREATE INDEX executions_by_key ON executions (cache_key) WHERE state = 'SUCCEEDED';
CREATE INDEX executions_by_run ON executions (run_id);
"""


@dataclass(frozen=True)
class RunRow:
    """A run as the journal has it."""

    run_id: str
    pipeline: str
    digest: str
    state: State
    parameters: dict[str, Any]
    started: datetime
    seconds: float
    error: str
    outputs: Values


@dataclass(frozen=True)
class Execution:
    """One attempt that was started: `outputs` are set when it succeeded."""

    execution: str
    run_id: str
    path: str
    pipeline: str
    key: str
    state: State
    outputs: Values


class Journal:
    """Writes are collected until `flush` commits them together; belongs to the thread that opened it."""

    def __init__(self, layout: Layout) -> None:
        self.file = layout.journal
        self.codec = Codec(layout.root)
        self._pending: list[tuple[str, tuple[Any, ...]]] = []
        with self._explained():
            layout.root.mkdir(parents=True, exist_ok=True)
            self._sql = sqlite3.connect(self.file, timeout=_BUSY_SECONDS, isolation_level=None)
            if self._sql.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                with alone(layout):  # SQLite would fail at once where another process does the same
                    self._sql.execute("PRAGMA journal_mode = WAL")
            self._sql.execute("PRAGMA synchronous = FULL")
            self._prepare()

    def _prepare(self) -> None:
        version = self._one("PRAGMA user_version")
        if version == 0:
            self._sql.execute("BEGIN IMMEDIATE")  # another process may be just as new
            if self._one("PRAGMA user_version") == 0:
                for statement in _SCHEMA.split(";"):
                    self._sql.execute(statement)
                self._sql.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._sql.execute(f"PRAGMA user_version = {_VERSION}")
            self._sql.execute("COMMIT")
        elif version != _VERSION or self._one("PRAGMA application_id") != _APPLICATION:
            raise StoreError(
                f"{self.file}: schema version {version}, this localrun reads {_VERSION}; "
                "use the version that wrote it, or another store"
            )
        elif self.file.stat().st_size <= _CHECKED_BYTES:
            fault = self._sql.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if fault != "ok":
                raise StoreError(f"{self.file}: is damaged: {fault}; {WAY_OUT}")

    def _one(self, query: str) -> int:
        return int(self._sql.execute(query).fetchone()[0])

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(f"{self.file}: {error}") from error

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        self._pending.append((statement, values))

    def _rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._explained():
            return self._sql.execute(query, values).fetchall()

    @property
    def is_behind(self) -> bool:
        """Whether something is written that is not committed yet."""
        return bool(self._pending)

    def flush(self) -> None:
        """Commit everything written since the last time, in one transaction; durable when this returns."""
        if not self._pending:
            return
        with self._explained():
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in self._pending:
                    self._sql.execute(statement, values)
                self._sql.execute("COMMIT")
            except BaseException as error:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                elif not isinstance(error, sqlite3.Error):
                    self._pending.clear()  # interrupted behind the commit: written, not to be written again
                raise
            self._pending.clear()

    def close(self) -> None:
        """Close; what was not flushed is lost, as when the process dies."""
        self._sql.close()

    def write_run(self, row: RunRow) -> None:
        """Insert or replace a run."""
        columns = (
            row.run_id,
            row.pipeline,
            row.digest,
            str(row.state),
            text(row.parameters),
            row.started.isoformat(),
            float(row.seconds),
            row.error,
        )
        outputs = sealed(columns, self.codec.values(row.outputs))
        self._write("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?)", (*columns, outputs))

    def run(self, run_id: str) -> RunRow | None:
        """Return a run, or None."""
        rows = self._rows("SELECT * FROM runs WHERE run_id = ?", (run_id,))
        return self._run(rows[0]) if rows else None

    def run_ids(self) -> set[str]:
        """Return the ids of all runs."""
        return {row[0] for row in self._rows("SELECT run_id FROM runs")}

    def runs(self) -> list[RunRow]:
        """Return all runs, the newest first."""
        return [self._run(row) for row in self._rows("SELECT * FROM runs ORDER BY started DESC, run_id DESC")]

    def _run(self, row: Any) -> RunRow:
        with self._explained():
            outputs = self.codec.read_values(opened(str(self.file), row[:8], row[8]))
        return RunRow(
            row[0],
            row[1],
            row[2],
            State(row[3]),
            json.loads(row[4]),
            datetime.fromisoformat(row[5]),
            row[6],
            row[7],
            outputs,
        )

    def write_task(self, run_id: str, position: int, task: TaskRun) -> None:
        """Insert or replace a task's record; `position` is its place in listings."""
        columns = (run_id, task.path, position, str(task.state))
        record = sealed(columns, self.codec.task(task))
        self._write("INSERT OR REPLACE INTO tasks VALUES (?,?,?,?,?)", (*columns, record))

    def tasks(self, run_id: str) -> list[TaskRun]:
        """Return the tasks of a run in the order of the pipeline."""
        rows = self._rows("SELECT * FROM tasks WHERE run_id = ? ORDER BY position", (run_id,))
        with self._explained():
            return [self.codec.read_task(opened(str(self.file), row[:4], row[4])) for row in rows]

    def peaks(self, pipeline: str) -> dict[str, int]:
        """Return how many bytes tasks of each component used at most in the latest runs of a pipeline."""
        latest = "SELECT run_id FROM runs WHERE pipeline = ? ORDER BY started DESC LIMIT 5"
        fields = "json_extract(record, '$.component'), max(json_extract(record, '$.max_rss_bytes'))"
        return dict(self._rows(f"SELECT {fields} FROM tasks WHERE run_id IN ({latest}) GROUP BY 1", (pipeline,)))  # noqa: S608 - both are ours

    def write_execution(self, row: Execution) -> None:
        """Insert an execution, or change its state and outputs."""
        columns = (row.execution, row.run_id, row.path, row.pipeline, row.key, str(row.state))
        self._write(
            "INSERT INTO executions (execution, run_id, path, pipeline, cache_key, state, outputs)"
            " VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT (execution) DO UPDATE SET cache_key = excluded.cache_key, state = excluded.state,"
            " outputs = excluded.outputs",
            (*columns, sealed(columns, self.codec.values(row.outputs))),
        )

    def candidates(self, key: str) -> list[Execution]:
        """Return what a cache key was computed to before, the newest first."""
        return self._executions("cache_key = ? AND state = 'SUCCEEDED' ORDER BY number DESC LIMIT 3", key)

    def unfinished(self, run_id: str) -> list[Execution]:
        """Return the executions of a run that never came to an end."""
        return self._executions("run_id = ? AND state = 'RUNNING'", run_id)

    def executions(self) -> list[Execution]:
        """Return all executions of all runs, also of those that are forgotten."""
        return self._executions("number > ?", "0")

    def forget(self, runs: Iterable[str], executions: Iterable[str]) -> None:
        """Remove runs and cache entries, durably and together."""
        for run_id in runs:
            self._write("DELETE FROM tasks WHERE run_id = ?", (run_id,))
            self._write("DELETE FROM runs WHERE run_id = ?", (run_id,))
        for execution in executions:
            self._write("DELETE FROM executions WHERE execution = ?", (execution,))
        self.flush()

    def _executions(self, where: str, value: str) -> list[Execution]:
        rows = self._rows(
            f"SELECT execution, run_id, path, pipeline, cache_key, state, outputs FROM executions WHERE {where}",  # noqa: S608 - the condition is one of this file
            (value,),
        )
        return [self._execution(row) for row in rows]

    def _execution(self, row: Any) -> Execution:
        with self._explained():
            outputs = self.codec.read_values(opened(str(self.file), row[:6], row[6]))
        return Execution(row[0], row[1], row[2], row[3], row[4], State(row[5]), outputs)
