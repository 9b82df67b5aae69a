"""Every fact, every decision about it, and the dead letters, wherever they are stored."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from core.digest import of_bytes
from core.errors import UsageError, did_you_mean
from mlops.triggers.fact import Fact
from mlops.triggers.records import MOST_DEAD, DeadLetter, Decision, Full, Recorded, State
from mlops.triggers.storage.protocol import Storage
from mlops.triggers.storage.seals import opened
from pipelines.triggers import Cause


class Journal:
    """A journal; safe with several processes, each of its methods that changes something is one transaction."""

    def __init__(self, storage: Storage) -> None:
        """Use the tables of a storage."""
        self._storage = storage

    def record(self, fact: Fact, now: float) -> bool:
        """Keep a fact, and return whether it is new; a delivery of a known one is counted."""
        is_new: bool = self._storage.change("record", fact=asdict(fact), now=now)
        return is_new

    def waiting(self, usecase: str = "", now: float | None = None) -> list[Recorded]:
        """Return the facts without a decision, the oldest first.

        With `now`, times of receipt that lie ahead of it (the clock was set back) become now, so that waiting ends.
        """
        if now is not None:
            self._storage.change("set_back", now=now)
        where = "decision IS NULL" + (" AND usecase = ?" if usecase else "")
        return self._facts(where, (usecase,) if usecase else ())

    def claim(self, facts: Sequence[Recorded], pipeline: str, reason: str, now: float) -> Decision | None:
        """Decide about facts that wait.

        None when one of them was decided about meanwhile, or a decision of their use case is under way.
        """
        first = facts[0].fact
        about = {"key": uuid.uuid4().hex, "usecase": first.usecase, "cause": first.cause}
        number = self._storage.change(
            "claim",
            decision=about | {"pipeline": pipeline, "reason": reason},
            facts=[one.fact.key for one in facts],
            now=now,
        )
        return self.decision(number) if number is not None else None

    def turn(self, usecase: str) -> AbstractContextManager[bool]:
        """Keep other handlers from a use case while the block runs; False when another one has its turn now."""
        return self._storage.turn(usecase)

    def attempt(self, decision: Decision) -> int:
        """Count that a handler goes to work on a decision; returns how often that was, this time included."""
        attempts: int = self._storage.change("attempt", number=decision.number)
        return attempts

    def release(self, number: int) -> None:
        """Uncount an attempt: the handler ends in order, and the next one goes on with the decision."""
        self._storage.change("release", number=number)

    def start(self, decision: Decision, run_id: str, content: str) -> None:
        """Keep which run a decision started."""
        self._storage.change("start", number=decision.number, run_id=run_id, content=content)

    def end(self, decision: Decision, state: State, reason: str, now: float) -> None:
        """Keep how a decision ended."""
        self._storage.change("end", number=decision.number, state=state, reason=reason, now=now)

    def fail(self, decision: Decision, why: str, now: float) -> DeadLetter:
        """Keep that a decision failed, and why; returns its dead letter."""
        self._storage.change("fail", number=decision.number, why=why, now=now)
        return DeadLetter(f"decision-{decision.number}", why, None, decision.number)

    def reopen(self, number: int) -> list[Recorded]:
        """Let the facts of a decision that failed wait again, without its dead letter, and return them."""
        facts = self.facts_of(number)
        self._storage.change("reopen", number=number)
        return facts

    def bury(self, event: dict[str, Any], why: str) -> DeadLetter:
        """Keep an event that may start nothing as a dead letter; the same one is kept once. Raises Full."""
        content = json.dumps(event, sort_keys=True)
        name = f"event-{of_bytes(content.encode()).removeprefix('sha256:')[:12]}"
        if not self._storage.change("bury", name=name, why=why, event=content):
            raise Full(
                f"{self._storage.place}: wanted fewer than {MOST_DEAD} dead letters; "
                "see them with: mlops trigger list --dead"
            )
        return DeadLetter(name, why, event, None)

    def remove_letter(self, letter: DeadLetter) -> None:
        """Forget a dead letter."""
        self._storage.change("remove_letter", name=letter.name)

    def letters(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        rows = self._rows("SELECT * FROM letters ORDER BY rowid")
        return [DeadLetter(**{**row, "event": json.loads(row["event"] or "null")}) for row in rows]

    def letter(self, name: str) -> DeadLetter:
        """Return the dead letter of this name; UsageError for an unknown one."""
        letters = {one.name: one for one in self.letters()}
        if name not in letters:
            raise UsageError(f"no dead letter {name!r}{did_you_mean(name, letters)}")
        return letters[name]

    def unfinished(self, usecase: str = "") -> list[Decision]:
        """Return the decisions that are not final, the oldest first."""
        where = "state IN (?, ?)" + (" AND usecase = ?" if usecase else "")
        return self._decisions(where, (State.CLAIMED, State.STARTED, *([usecase] if usecase else ())))

    def last_start(self, usecase: str, cause: Cause) -> float | None:
        """Return when a run of this cause was last started, in seconds since 1970; None: never."""
        where = "usecase = ? AND cause = ? AND state != ? ORDER BY decided DESC LIMIT 1"
        last = self._decisions(where, (usecase, cause, State.UNCHANGED))
        return last[0].decided if last else None

    def run_with(self, content: str) -> str:
        """Return the run of an earlier decision with the same content that has not failed; empty: there is none."""
        where = "content = ? AND run_id != '' AND state NOT IN (?, ?) ORDER BY number DESC LIMIT 1"
        found = self._decisions(where, (content, State.FAILED, State.UNCHANGED))
        return found[0].run_id if found else ""

    def decisions(self, newest: int = 50) -> list[Decision]:
        """Return the newest decisions, the newest first."""
        return self._decisions("1 ORDER BY number DESC LIMIT ?", (newest,))

    def decision(self, number: int) -> Decision | None:
        """Return one decision; None for an unknown number."""
        found = self._decisions("number = ?", (number,))
        return found[0] if found else None

    def facts_of(self, decision: int) -> list[Recorded]:
        """Return the facts that a decision is about."""
        return self._facts("decision = ?", (decision,))

    def fact(self, key: str) -> Recorded | None:
        """Return the fact of this key; None for one that was never recorded."""
        found = self._facts("key = ?", (key,))
        return found[0] if found else None

    def mark(self, name: str) -> str | None:
        """Return what a watcher last saw under a name."""
        rows = self._rows("SELECT * FROM marks WHERE name = ?", (name,))
        return str(rows[0]["value"]) if rows else None

    def set_mark(self, name: str, value: str) -> None:
        """Keep what a watcher saw under a name."""
        self._storage.change("set_mark", name=name, value=value)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return whole rows, each as it was written."""
        return self._storage.read(lambda db: [opened(row) for row in db.execute(query, values)])

    def _facts(self, where: str, values: Sequence[Any]) -> list[Recorded]:
        query = f"SELECT * FROM facts WHERE {where} ORDER BY received, rowid"  # noqa: S608 - ours, never a stranger's
        return list(_recorded(self._rows(query, values)))

    def _decisions(self, where: str, values: Sequence[Any]) -> list[Decision]:
        rows = self._rows(f"SELECT * FROM decisions WHERE {where}", values)  # noqa: S608 - ours, never a stranger's
        return [Decision(**{**row, "state": State(row["state"])}) for row in rows]


def _recorded(rows: Sequence[Mapping[str, Any]]) -> Iterator[Recorded]:
    for row in rows:
        about = {name: row[name] for name in ("source", "id", "cause", "usecase", "schedule", "time", "event")}
        yield Recorded(Fact(**about), row["received"], row["deliveries"], row["decision"])
