"""Every fact and every decision about it, in one SQLite file: what is recorded survives a kill and a power cut."""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.errors import MlopsError
from mlops.triggers.fact import Fact
from pipelines.triggers import Cause

_SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
  usecase TEXT NOT NULL, cause TEXT NOT NULL, pipeline TEXT NOT NULL,
  state TEXT NOT NULL, content TEXT NOT NULL DEFAULT '', run_id TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, decided REAL NOT NULL, ended REAL
);
CREATE INDEX IF NOT EXISTS decisions_by_usecase ON decisions (usecase, state);
CREATE TABLE IF NOT EXISTS facts (
  key TEXT PRIMARY KEY, source TEXT NOT NULL, id TEXT NOT NULL, cause TEXT NOT NULL, usecase TEXT NOT NULL,
  schedule TEXT NOT NULL, time REAL NOT NULL, event TEXT NOT NULL, received REAL NOT NULL,
  deliveries INTEGER NOT NULL DEFAULT 1, decision INTEGER REFERENCES decisions (number)
);
CREATE INDEX IF NOT EXISTS facts_undecided ON facts (usecase) WHERE decision IS NULL;
CREATE INDEX IF NOT EXISTS facts_by_decision ON facts (decision);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_WAIT_SECONDS = 30.0


class JournalError(MlopsError):
    """The journal cannot be read or written; what was to be recorded is not."""


class State(StrEnum):
    """How far a decision is."""

    CLAIMED = "claimed"
    """Made, but no run of it is known yet."""
    STARTED = "started"
    """Its run was submitted."""
    DONE = "done"
    """Its run ended as it should."""
    CLOSED = "gate closed"
    """Its run ended at a closed gate."""
    UNCHANGED = "unchanged"
    """No run: an earlier one had the same code, configuration and data."""
    FAILED = "failed"
    """Its run failed, or could not be started; it waits among the dead letters for a retry."""

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to do."""
        return self not in (State.CLAIMED, State.STARTED)


@dataclass(frozen=True)
class Recorded:
    """A fact in the journal."""

    fact: Fact
    received: float
    """When it was first delivered, in seconds since 1970."""
    deliveries: int
    decision: int | None
    """Number of the decision about it; None while it waits."""


@dataclass(frozen=True)
class Decision:
    """What became of one fact, or of several that share a run."""

    number: int
    key: str
    """Unique; its run is submitted under it, and found by it after a crash."""
    usecase: str
    cause: Cause
    """Of the fact that was first."""
    pipeline: str
    state: State
    content: str
    """Digest of the code, configuration and data of its run; empty while not known."""
    run_id: str
    reason: str
    """Why a run was started, or not, in one sentence."""
    attempts: int
    """How often a handler went to work on it."""
    decided: float
    ended: float | None


class Journal:
    """The journal of one store; safe with several processes, each of its methods is one transaction."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it where there is none."""
        self.path = path
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(_SCHEMA)

    def record(self, fact: Fact, now: float) -> bool:
        """Keep a fact, and return whether it is new; a delivery of a known one is counted."""
        with self._transaction() as db:
            known = db.execute("UPDATE facts SET deliveries = deliveries + 1 WHERE key = ?", (fact.key,)).rowcount
            if not known:
                values = (fact.key, fact.source, fact.id, fact.cause, fact.usecase, fact.schedule, fact.time)
                db.execute(
                    "INSERT INTO facts (key, source, id, cause, usecase, schedule, time, event, received) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*values, fact.event, now),
                )
        return not known

    def waiting(self, usecase: str = "", now: float | None = None) -> list[Recorded]:
        """Return the facts without a decision, the oldest first.

        With `now`, times of receipt that lie ahead of it (the clock was set back) become now, so that waiting ends.
        """
        with self._transaction() as db:
            if now is not None:
                db.execute("UPDATE facts SET received = ? WHERE decision IS NULL AND received > ?", (now, now))
            where = "decision IS NULL" + (" AND usecase = ?" if usecase else "")
            return list(_facts(db, where, (usecase,) if usecase else ()))

    def claim(self, facts: Sequence[Recorded], pipeline: str, reason: str, now: float) -> Decision | None:
        """Decide about facts that wait; None when one of them was decided about meanwhile."""
        first = facts[0].fact
        with self._transaction() as db:
            number = db.execute(
                "INSERT INTO decisions (key, usecase, cause, pipeline, state, reason, decided) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (uuid.uuid4().hex, first.usecase, first.cause, pipeline, State.CLAIMED, reason, now),
            ).lastrowid
            for recorded in facts:
                changed = db.execute(
                    "UPDATE facts SET decision = ? WHERE key = ? AND decision IS NULL", (number, recorded.fact.key)
                ).rowcount
                if not changed:
                    db.rollback()
                    return None
            return next(_decisions(db, "number = ?", (number,)))

    def attempt(self, decision: Decision) -> int:
        """Count that a handler goes to work on a decision; returns how often that was, this time included."""
        with self._transaction() as db:
            db.execute("UPDATE decisions SET attempts = attempts + 1 WHERE number = ?", (decision.number,))
            return next(_decisions(db, "number = ?", (decision.number,))).attempts

    def release(self, number: int) -> None:
        """Uncount an attempt: the handler ends in order, and the next one goes on with the decision."""
        with self._transaction() as db:
            db.execute("UPDATE decisions SET attempts = max(attempts - 1, 0) WHERE number = ?", (number,))

    def start(self, decision: Decision, run_id: str, content: str) -> None:
        """Keep which run a decision started."""
        self._set(decision, state=State.STARTED, run_id=run_id, content=content)

    def end(self, decision: Decision, state: State, reason: str, now: float, **known: str) -> None:
        """Keep how a decision ended; `known` may give its `run_id` and `content`."""
        self._set(decision, state=state, reason=reason, ended=now, **known)

    def reopen(self, number: int) -> list[Recorded]:
        """Let the facts of a decision that failed wait again, and return them."""
        with self._transaction() as db:
            facts = list(_facts(db, "decision = ?", (number,)))
            failed = "(SELECT number FROM decisions WHERE number = ? AND state = ?)"
            db.execute(f"UPDATE facts SET decision = NULL WHERE decision IN {failed}", (number, State.FAILED))  # noqa: S608
        return facts

    def unfinished(self, usecase: str = "") -> list[Decision]:
        """Return the decisions that are not final, the oldest first."""
        where = "state IN (?, ?)" + (" AND usecase = ?" if usecase else "")
        with self._transaction() as db:
            return list(_decisions(db, where, (State.CLAIMED, State.STARTED, *([usecase] if usecase else ()))))

    def last_start(self, usecase: str, cause: Cause, now: float) -> float | None:
        """Return when a run of this cause was last started; a time ahead of now becomes now."""
        with self._transaction() as db:
            running = (usecase, cause, State.UNCHANGED)
            where = "usecase = ? AND cause = ? AND state != ?"
            db.execute(f"UPDATE decisions SET decided = ? WHERE decided > ? AND {where}", (now, now, *running))  # noqa: S608
            row = db.execute(f"SELECT max(decided) AS last FROM decisions WHERE {where}", running).fetchone()  # noqa: S608
        last: float | None = row["last"]
        return last

    def run_with(self, content: str) -> str:
        """Return the run of an earlier decision with the same content that has not failed; empty: there is none."""
        where = "content = ? AND run_id != '' AND state NOT IN (?, ?) ORDER BY number DESC LIMIT 1"
        with self._transaction() as db:
            found = next(_decisions(db, where, (content, State.FAILED, State.UNCHANGED)), None)
        return found.run_id if found else ""

    def decisions(self, newest: int = 50) -> list[Decision]:
        """Return the newest decisions, the newest first."""
        with self._transaction() as db:
            return list(_decisions(db, "1 ORDER BY number DESC LIMIT ?", (newest,)))

    def decision(self, number: int) -> Decision | None:
        """Return one decision; None for an unknown number."""
        with self._transaction() as db:
            return next(_decisions(db, "number = ?", (number,)), None)

    def facts_of(self, decision: int) -> list[Recorded]:
        """Return the facts that a decision is about."""
        with self._transaction() as db:
            return list(_facts(db, "decision = ?", (decision,)))

    def mark(self, name: str) -> str | None:
        """Return what a watcher last saw under a name."""
        with self._transaction() as db:
            row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return row["value"] if row else None

    def set_mark(self, name: str, value: str) -> None:
        """Keep what a watcher saw under a name."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)", (name, value))

    def _set(self, decision: Decision, **values: Any) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._transaction() as db:
            db.execute(f"UPDATE decisions SET {columns} WHERE number = ?", (*values.values(), decision.number))  # noqa: S608

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _explained(self.path), self._opened() as db, db:
            db.execute("BEGIN IMMEDIATE")
            yield db

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each transaction: they are few, and no thread or fork ever shares one."""
        with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = FULL")
            yield db


def _facts(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> Iterator[Recorded]:
    query = f"SELECT * FROM facts WHERE {where} ORDER BY received, rowid"  # noqa: S608 - ours, never a stranger's
    for row in db.execute(query, values):
        about = {name: row[name] for name in ("source", "id", "cause", "usecase", "schedule", "time", "event")}
        yield Recorded(Fact(**about), row["received"], row["deliveries"], row["decision"])


def _decisions(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> Iterator[Decision]:
    for row in db.execute(f"SELECT * FROM decisions WHERE {where}", values):  # noqa: S608 - ours, never a stranger's
        yield Decision(**{**dict(row), "state": State(row["state"])})


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{path}: the journal of triggers cannot be used: {error}; nothing was recorded") from error
