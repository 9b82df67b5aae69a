"""Decides about the facts that wait, one use case at a time and one run of it at a time, and sees each run to its end.

A decision is made once, in one transaction, and has a key under which its run is submitted. A handler that is killed
at any instant leaves a decision that is not final: the next handler looks for the run with that key before it starts
one.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.errors import MlopsError
from mlops.triggers.due import due_at
from mlops.triggers.fact import Fact
from mlops.triggers.journal import Journal
from mlops.triggers.launcher import Ended, Launcher
from mlops.triggers.permitted import Permitted
from mlops.triggers.records import Decision, Recorded, State
from mlops.triggers.storage.protocol import JournalError
from pipelines.triggers import Trigger

_ATTEMPTS = 3
"""How often a decision is worked on when handlers die over it, before it is a dead letter."""
_LOOKS = 20
"""How often a look at a run may fail before its decision is a dead letter."""
_LOG = logging.getLogger("mlops.triggers")


@dataclass(frozen=True)
class Group:
    """Facts that share a decision."""

    facts: tuple[Recorded, ...]
    trigger: Trigger
    due: float
    """When their run may start, in seconds since 1970."""


@dataclass(frozen=True)
class Dispatcher:
    """Turns facts into runs."""

    journal: Journal
    permitted: Permitted
    launcher: Launcher
    clock: Callable[[], float]
    """Seconds since 1970."""
    follows: bool = True
    """Whether `work` waits for the ends of runs. If not, it looks at those that were started, and somebody must call it
    again: facts of a use case whose run goes on wait."""
    _followed: set[int] = field(default_factory=set)
    """Numbers of the decisions that a thread of this process works on now."""

    def work(self) -> bool:
        """Finish what was begun, then decide about what is due; returns whether there was anything to do.

        Raises JournalError when the journal cannot be used.
        """
        waiting = {recorded.fact.usecase for recorded in self.journal.waiting(now=self.clock())}
        begun = {decision.usecase for decision in self.journal.unfinished()}
        worked = False
        for usecase in sorted(waiting | begun):
            with self.journal.turn(usecase) as has_turn:
                worked |= has_turn and self._survived(usecase)
        return worked

    def release(self) -> None:
        """Uncount this process's work on what it still follows, because it ends in order: that is no death."""
        for decision in list(self._followed):
            self.journal.release(decision)

    def _survived(self, usecase: str) -> bool:
        """Work on a use case; an error that nobody expected counts as a death over its decision, and others go on."""
        try:
            return self._work_on(usecase)
        except MlopsError:
            raise
        except Exception:
            _LOG.exception("%s: an error that is not expected; its decision is worked on again", usecase)
            return False

    def _work_on(self, usecase: str) -> bool:
        """Finish the begun decisions of a use case, then make the next and finish it.

        Returns whether there was anything to do, and may be more.
        """
        begun = self.journal.unfinished(usecase)
        for decision in begun:
            if not self._finish(decision):
                return False
        now = self.clock()
        groups, refused = grouped(self.journal, self.permitted, usecase)
        for recorded, why in refused:
            if (claimed := self.journal.claim([recorded], "", why, now)) is not None:
                self._fail(claimed, why)
        due = next((group for group in groups if group.due <= now), None)
        if due is None:
            return bool(begun or refused)
        made = self.journal.claim(due.facts, due.trigger.pipeline, _because(due.facts), now)
        if made is not None:
            self._finish(made)
        return True

    def _finish(self, decision: Decision) -> bool:
        """See a decision to its end; an error that is the user's to fix makes it a dead letter.

        Returns whether it has ended, which without `follows` it may not have.
        """
        if decision.run_id and not self.follows:
            return self._looked_at(decision)
        try:
            if self.journal.attempt(decision) > _ATTEMPTS:
                self._fail(decision, f"{_ATTEMPTS} handlers ended over it; find out why before you retry it")
                return True
            self._followed.add(decision.number)
            ended = self._run(decision)
        except JournalError:
            raise
        except MlopsError as error:
            self._fail(decision, str(error))
            return True
        finally:
            self._followed.discard(decision.number)
        return self._looked_at(decision) if ended is None else self._ended(decision, ended)

    def _looked_at(self, decision: Decision) -> bool:
        """Look at the run of a decision, and keep its end; returns whether there is one."""
        try:
            # By its decision first: the run may have been submitted by another machine, and be unknown to this one.
            ended = self.launcher.ended(self.launcher.started_by(decision.key) or decision.run_id)
        except MlopsError as error:
            if self.journal.attempt(decision) > _LOOKS:
                self._fail(decision, str(error))
                return True
            _LOG.warning("decision %d: run %s: %s; looking again", decision.number, decision.run_id, error)
            return False
        return ended is not None and self._ended(decision, ended)

    def _ended(self, decision: Decision, ended: Ended) -> bool:
        if ended.state is State.FAILED:
            self._fail(decision, ended.reason)
            return True
        self.journal.end(decision, ended.state, f"{decision.reason}; {ended.reason}", self.clock())
        _LOG.info("decision %d: %s: %s", decision.number, ended.state, ended.reason)
        return True

    def _run(self, decision: Decision) -> Ended | None:
        """Start the run of a decision, unless it was started before or would be that of an earlier one over again."""
        run_id = decision.run_id or self.launcher.started_by(decision.key)
        if run_id:
            if not decision.run_id:
                self.journal.start(decision, run_id, decision.content)
            return self._end_of(run_id)
        trigger = self.permitted.trigger(self.journal.facts_of(decision.number)[0].fact)
        content = self.launcher.content(decision.usecase, trigger)
        if same := self.journal.run_with(content) or self.launcher.same_run(content):
            return Ended(State.UNCHANGED, f"run {same} had the same code, configuration and data")
        run_id = self.launcher.start(decision.usecase, trigger, decision.key)
        self.journal.start(decision, run_id, content)
        _LOG.info("decision %d: started run %s: %s", decision.number, run_id, decision.reason)
        return self._end_of(run_id)

    def _end_of(self, run_id: str) -> Ended | None:
        """How a run ended; without `follows` None, and the next round looks at it."""
        return self.launcher.finish(run_id) if self.follows else None

    def _fail(self, decision: Decision, why: str) -> None:
        letter = self.journal.fail(decision, why, self.clock())
        _LOG.error("decision %d: failed: %s; retry: mlops trigger retry %s", decision.number, why, letter.name)


def grouped(journal: Journal, permitted: Permitted, usecase: str) -> tuple[list[Group], list[tuple[Recorded, str]]]:
    """Return the facts of a use case that wait, in groups, and those that may start nothing any more, with why.

    With a debounce or cool-down time the facts of one cause (and schedule) share a decision; without, each has its own.
    """
    found: dict[tuple[str, ...], list[Recorded]] = {}
    triggers: dict[tuple[str, ...], Trigger] = {}
    refused = []
    permissions: dict[tuple[str, str], Trigger | str] = {}
    for recorded in journal.waiting(usecase):
        kind = (recorded.fact.cause, recorded.fact.schedule)
        if kind not in permissions:  # once for each kind: it reads the configuration
            permissions[kind] = _permission(permitted, recorded.fact)
        trigger = permissions[kind]
        if isinstance(trigger, str):
            refused.append((recorded, trigger))
            continue
        shares = trigger.debounce_seconds > 0 or trigger.cool_down_seconds > 0
        key = (*kind, "" if shares else recorded.fact.key)
        found.setdefault(key, []).append(recorded)
        triggers[key] = trigger
    groups = [_group(facts, triggers[key], journal) for key, facts in found.items()]
    return groups, refused


def _permission(permitted: Permitted, fact: Fact) -> Trigger | str:
    """What a fact may start, or why it may start nothing."""
    try:
        return permitted.trigger(fact)
    except MlopsError as error:
        return str(error)


def _group(facts: Sequence[Recorded], trigger: Trigger, journal: Journal) -> Group:
    first = facts[0].fact
    last_start = journal.last_start(first.usecase, first.cause) if trigger.cool_down_seconds else None
    return Group(tuple(facts), trigger, due_at([one.received for one in facts], trigger, last_start))


def _because(facts: Sequence[Recorded]) -> str:
    """The reason of a decision, such as `new_data (span-5@sha256:...)` or `drift (a7 and 3 more)`."""
    first = facts[0].fact
    more = f" and {len(facts) - 1} more" if len(facts) > 1 else ""
    return f"{first.cause} ({first.id}{more})"
