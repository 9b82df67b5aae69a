"""What the journal of triggers holds, for a person and for a machine: why a run started, or why none did."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlops.triggers.dispatcher import grouped
from mlops.triggers.permitted import Configured
from mlops.triggers.records import DeadLetter, Decision, Recorded
from mlops.triggers.service import Triggers


@dataclass(frozen=True)
class Waiting:
    """A fact that nothing was decided about yet."""

    recorded: Recorded
    due: float | None
    """When its run may start, in seconds since 1970; None where the configuration does not allow it any more."""


@dataclass(frozen=True)
class TriggerList:
    """Everything that is known of some use cases' triggers."""

    waiting: tuple[Waiting, ...]
    decisions: tuple[tuple[Decision, tuple[Recorded, ...]], ...]
    """The newest first, each with its facts."""
    dead: tuple[DeadLetter, ...]

    def lines(self, *, dead_only: bool) -> Iterator[str]:
        """Yield the lines of a table."""
        if not dead_only:
            for waiting in self.waiting:
                yield _waiting_line(waiting)
            for decision, facts in self.decisions:
                yield _decision_line(decision, facts)
        for letter in self.dead:
            yield f"dead letter  {letter.name}  {letter.why}"
        if self.dead:
            yield f"next         mlops trigger retry {self.dead[0].name}"
        if not (self.dead or (not dead_only and (self.waiting or self.decisions))):
            yield "Nothing yet." if not dead_only else "No dead letters."

    def as_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return {
            "waiting": [{**_fact(one.recorded), "due": one.due} for one in self.waiting],
            "decisions": [
                {**asdict(decision), "facts": [_fact(one) for one in facts]} for decision, facts in self.decisions
            ],
            "dead_letters": [asdict(letter) for letter in self.dead],
        }


def listed(triggers: Triggers, usecase: str, newest: int) -> TriggerList:
    """Read a journal; an empty name of a use case means all."""
    journal, permitted = triggers.journal, Configured(triggers.folders)
    waiting = []
    for name in sorted({recorded.fact.usecase for recorded in journal.waiting(usecase)}):
        groups, refused = grouped(journal, permitted, name)
        waiting += [Waiting(recorded, group.due) for group in groups for recorded in group.facts]
        waiting += [Waiting(recorded, None) for recorded, _ in refused]
    decisions = [one for one in journal.decisions(newest) if not usecase or one.usecase == usecase]
    with_facts = tuple((decision, tuple(journal.facts_of(decision.number))) for decision in decisions)
    return TriggerList(tuple(waiting), with_facts, tuple(journal.letters()))


def _waiting_line(waiting: Waiting) -> str:
    fact = waiting.recorded.fact
    when = "not allowed any more" if waiting.due is None else f"not before {_time(waiting.due)}"
    return f"waits        {_time(waiting.recorded.received)}  {fact.usecase}  {fact.cause} ({fact.id}); {when}"


def _decision_line(decision: Decision, facts: Sequence[Recorded]) -> str:
    deliveries = sum(recorded.deliveries for recorded in facts)
    times = f"; delivered {deliveries} times" if deliveries > len(facts) else ""
    run = f"  run {decision.run_id}" if decision.run_id else ""
    return f"{decision.state:<11}  {_time(decision.decided)}  {decision.usecase}{run}  {decision.reason}{times}"


def _fact(recorded: Recorded) -> dict[str, Any]:
    about = {key: value for key, value in asdict(recorded.fact).items() if key != "event"}
    return {**about, "received": recorded.received, "deliveries": recorded.deliveries}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
