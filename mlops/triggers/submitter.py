"""Submits what a delivery starts before it is answered, for handlers without a disk or a processor in between."""

from dataclasses import dataclass

from mlops.triggers.dispatcher import Dispatcher, grouped
from mlops.triggers.fact import Fact
from mlops.triggers.handler import Taken
from mlops.triggers.records import State
from mlops.triggers.storage.protocol import JournalError


class NotSubmitted(JournalError):
    """A fact is kept, but the run that it starts now is not submitted yet; the sender tries again."""


@dataclass(frozen=True)
class Submitter:
    """Works in the time of a request."""

    dispatcher: Dispatcher

    def work(self, taken: Taken) -> None:
        """Decide about all that is due, and submit it.

        A fact that may not start anything yet (its waiting time, a run of its use case that goes on) is left in the
        journal for a later request. Raises NotSubmitted when the delivery must not be acknowledged.
        """
        while self.dispatcher.work():
            pass
        if taken.fact is not None and self._is_owed(taken.fact):
            raise NotSubmitted(f"{taken.fact.key}: kept, and its run is being submitted; send it again")

    def _is_owed(self, fact: Fact) -> bool:
        """Whether a fact starts a run now, and that run is not submitted."""
        journal = self.dispatcher.journal
        recorded = journal.fact(fact.key)
        if recorded is None or recorded.decision is not None:
            decision = journal.decision(recorded.decision) if recorded and recorded.decision else None
            return decision is None or decision.state is State.CLAIMED
        if any(one.state is State.STARTED for one in journal.unfinished(fact.usecase)):
            return False
        now = self.dispatcher.clock()
        groups, _ = grouped(journal, self.dispatcher.permitted, fact.usecase)
        mine = [group for group in groups if fact.key in [one.fact.key for one in group.facts]]
        return any(group.due <= now for group in mine)
