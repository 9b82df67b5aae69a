"""Takes one event: checks that it is a fact that may start something, and keeps it in the journal before it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import MlopsError
from mlops.triggers.envelope import event_in
from mlops.triggers.fact import Fact, fact_of
from mlops.triggers.journal import Journal
from mlops.triggers.permitted import NotPermitted, Permitted
from mlops.triggers.records import DeadLetter


@dataclass(frozen=True)
class Taken:
    """What became of a delivery."""

    fact: Fact | None
    """None for a message that is no fact."""
    is_new: bool = False


class Rejected(MlopsError):
    """An event that is well-formed but may start nothing; it is kept as a dead letter."""

    exit_code = 2

    def __init__(self, letter: DeadLetter) -> None:
        super().__init__(f"{letter.why}; kept as a dead letter, retry: mlops trigger retry {letter.name}")
        self.letter = letter


@dataclass(frozen=True)
class Handler:
    """The one way for an event into the journal, whoever brings it."""

    journal: Journal
    permitted: Permitted
    clock: Callable[[], float]

    def take_request(self, headers: Mapping[str, str], body: bytes) -> Taken:
        """Take the event of an HTTP request, whose headers have lower-case names; see `take`."""
        event = event_in(headers, body)
        return Taken(None) if event is None else self.take(event)

    def take(self, event: Mapping[str, Any]) -> Taken:
        """Take a structured CloudEvent.

        Raises EventError for one that is malformed, Rejected for one that may start nothing, JournalError when it could
        not be kept (the sender tries again).
        """
        fact = self.read(event)
        try:
            self.permitted.trigger(fact)
        except MlopsError as error:
            raise Rejected(self.journal.bury(dict(event), str(error))) from error
        return Taken(fact, self.journal.record(fact, self.clock()))

    def read(self, event: Mapping[str, Any]) -> Fact:
        """Read an event without keeping it; EventError for one that is malformed."""
        return fact_of(event, self.clock())

    def retry(self, letter: DeadLetter) -> list[Fact]:
        """Give what a dead letter holds another chance; returns its facts. Raises what `take` raises."""
        if letter.decision is not None:
            return [recorded.fact for recorded in self.journal.reopen(letter.decision)]
        try:
            taken = self.take(letter.event or {})
        except Rejected as error:
            raise NotPermitted(f"{letter.name}: {error.letter.why}; correct that first") from error
        self.journal.remove_letter(letter)
        return [taken.fact] if taken.fact else []
