"""The journal's tables, and every change that is made to them.

Each operation is a function of the tables and of JSON, without a clock or chance of its own: the same operations in the
same order make the same tables, so that a log of them is a journal.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops.triggers.records import MOST_DEAD, State

SCHEMA = """
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
CREATE TABLE IF NOT EXISTS letters (
  name TEXT PRIMARY KEY, why TEXT NOT NULL, event TEXT, decision INTEGER REFERENCES decisions (number)
);
CREATE TABLE IF NOT EXISTS turns (usecase TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL);
"""
TABLES = ("decisions", "facts", "marks", "letters", "turns")
_BEGUN = f"('{State.CLAIMED}', '{State.STARTED}')"


def record(db: sqlite3.Connection, fact: Mapping[str, Any], now: float) -> bool:
    """Keep a fact, and return whether it is new; a delivery of a known one is counted."""
    key = f"{fact['source']}#{fact['id']}"
    if db.execute("UPDATE facts SET deliveries = deliveries + 1 WHERE key = ?", (key,)).rowcount:
        return False
    names = ("source", "id", "cause", "usecase", "schedule", "time", "event")
    db.execute(
        "INSERT INTO facts (key, source, id, cause, usecase, schedule, time, event, received) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (key, *(fact[name] for name in names), now),
    )
    return True


def set_back(db: sqlite3.Connection, now: float) -> None:
    """Make times that lie ahead of now (the clock was set back) now, so that waiting ends."""
    db.execute("UPDATE facts SET received = ? WHERE decision IS NULL AND received > ?", (now, now))
    db.execute("UPDATE decisions SET decided = ? WHERE decided > ?", (now, now))


def claim(db: sqlite3.Connection, decision: Mapping[str, Any], facts: Sequence[str], now: float) -> int | None:
    """Decide about facts that wait; None when one was decided about, or a decision of the use case is under way."""
    marks = ", ".join("?" * len(facts))
    free = db.execute(f"SELECT count(*) FROM facts WHERE decision IS NULL AND key IN ({marks})", tuple(facts))  # noqa: S608 - question marks alone
    begun = f"SELECT 1 FROM decisions WHERE usecase = ? AND state IN {_BEGUN}"  # noqa: S608 - ours
    if free.fetchone()[0] != len(facts) or db.execute(begun, (decision["usecase"],)).fetchone():
        return None
    names = ("key", "usecase", "cause", "pipeline", "reason")
    number = db.execute(
        "INSERT INTO decisions (key, usecase, cause, pipeline, reason, state, decided) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*(decision[name] for name in names), State.CLAIMED, now),
    ).lastrowid
    db.execute(f"UPDATE facts SET decision = ? WHERE key IN ({marks})", (number, *facts))  # noqa: S608 - question marks alone
    return number


def attempt(db: sqlite3.Connection, number: int) -> int:
    """Count that a handler goes to work on a decision; returns how often that was, this time included."""
    db.execute("UPDATE decisions SET attempts = attempts + 1 WHERE number = ?", (number,))
    found: int = db.execute("SELECT attempts FROM decisions WHERE number = ?", (number,)).fetchone()[0]
    return found


def release(db: sqlite3.Connection, number: int) -> None:
    """Uncount an attempt."""
    db.execute("UPDATE decisions SET attempts = max(attempts - 1, 0) WHERE number = ?", (number,))


def start(db: sqlite3.Connection, number: int, run_id: str, content: str) -> None:
    """Keep which run a decision started."""
    db.execute(
        f"UPDATE decisions SET state = ?, run_id = ?, content = ? WHERE number = ? AND state IN {_BEGUN}",  # noqa: S608 - a constant of this file
        (State.STARTED, run_id, content, number),
    )


def end(db: sqlite3.Connection, number: int, state: str, reason: str, now: float) -> None:
    """Keep how a decision ended; the first end counts."""
    db.execute(
        f"UPDATE decisions SET state = ?, reason = ?, ended = ? WHERE number = ? AND state IN {_BEGUN}",  # noqa: S608 - a constant of this file
        (state, reason, now, number),
    )


def fail(db: sqlite3.Connection, number: int, why: str, now: float) -> None:
    """End a decision that failed, with its dead letter."""
    end(db, number, State.FAILED, why, now)
    db.execute(
        "INSERT OR REPLACE INTO letters (name, why, decision) SELECT ?, ?, number FROM decisions "
        "WHERE number = ? AND state = ?",
        (f"decision-{number}", why, number, State.FAILED),
    )


def bury(db: sqlite3.Connection, name: str, why: str, event: str) -> bool:
    """Keep an event that may start nothing; False when there are as many dead letters as are kept."""
    known = db.execute("SELECT 1 FROM letters WHERE name = ?", (name,)).fetchone()
    if not known and db.execute("SELECT count(*) FROM letters").fetchone()[0] >= MOST_DEAD:
        return False
    db.execute("INSERT OR REPLACE INTO letters (name, why, event) VALUES (?, ?, ?)", (name, why, event))
    return True


def remove_letter(db: sqlite3.Connection, name: str) -> None:
    """Forget a dead letter."""
    db.execute("DELETE FROM letters WHERE name = ?", (name,))


def reopen(db: sqlite3.Connection, number: int) -> None:
    """Let the facts of a decision that failed wait again, and forget its dead letter."""
    failed = "(SELECT number FROM decisions WHERE number = ? AND state = ?)"
    db.execute(f"UPDATE facts SET decision = NULL WHERE decision IN {failed}", (number, State.FAILED))  # noqa: S608 - a constant of this file
    db.execute("DELETE FROM letters WHERE decision = ?", (number,))


def set_mark(db: sqlite3.Connection, name: str, value: str) -> None:
    """Keep what a watcher saw under a name."""
    db.execute("INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)", (name, value))


def take_turn(db: sqlite3.Connection, usecase: str, owner: str, now: float, seconds: float) -> bool:
    """Take a use case until it is given back or the time has passed; False while another owner has it."""
    taken = "SELECT 1 FROM turns WHERE usecase = ? AND until > ? AND until <= ?"
    if db.execute(taken, (usecase, now, now + seconds)).fetchone():  # one that is longer: the clock was set back
        return False
    db.execute("INSERT OR REPLACE INTO turns (usecase, owner, until) VALUES (?, ?, ?)", (usecase, owner, now + seconds))
    return True


def end_turn(db: sqlite3.Connection, usecase: str, owner: str) -> None:
    """Give a use case back."""
    db.execute("DELETE FROM turns WHERE usecase = ? AND owner = ?", (usecase, owner))


OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        record, set_back, claim, attempt, release, start, end, fail, bury, remove_letter, reopen, set_mark,
        take_turn, end_turn,
    )
}  # fmt: skip
"""By name, as a log has them."""
