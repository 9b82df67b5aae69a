"""What the journal has: facts, decisions about them, and dead letters."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.errors import MlopsError
from mlops.triggers.fact import Fact
from pipelines.triggers import Cause

MOST_DEAD = 1_000
"""Dead letters that are kept; beyond, nothing more is taken, so that a sender gone wild does not fill the disk."""


class Full(MlopsError):
    """There are as many dead letters as are kept."""


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


@dataclass(frozen=True)
class DeadLetter:
    """One event or decision that waits for a person."""

    name: str
    why: str
    """What was wrong, and what to do about it."""
    event: dict[str, Any] | None
    """The event, where it was never recorded as a fact."""
    decision: int | None
    """The decision that failed."""
