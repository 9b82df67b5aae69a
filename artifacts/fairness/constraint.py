"""`constraint.json`: every rate of every group before and after a model was trained under a constraint."""

from typing import Literal

from pydantic import Field

from artifacts.facts import FactsFile
from artifacts.fairness.measurement import Facts, Interval, Measurement

CONSTRAINT = "constraint.json"


class Change(Facts):
    """What the constraint did to one rate."""

    rate: str
    before: float
    """The gap of the plain model."""
    after: float
    constrained: bool
    """Whether the constraint is about this rate."""


class Epoch(Facts):
    """One epoch under the constraint."""

    gap: float
    """The largest gap of a constrained rate on the validation split."""
    training_gap: float
    auc: float
    """On the validation split."""


class Constraint(Facts, FactsFile):
    """One training under a constraint."""

    FILE = CONSTRAINT
    WANTED = "what a constraint changed"
    NEXT_STEP = "run constrain_model again"

    version: Literal[1] = 1
    rate: str
    """The constraint, such as `equalized_odds`."""
    max_gap: float
    passed: Literal["constrained", "plain"]
    """The model that goes on."""
    why: str
    epoch: int
    """The epoch whose weights the constrained model has, counted from 1; 0 when it was not trained."""
    auc_before: float
    auc_after: float
    auc_change: Interval
    """After minus before, on the same rows (DeLong)."""
    gap_change: Interval
    """Of the constrained rate with the widest gap before: how much closer its two groups came, on the same rows."""
    changes: tuple[Change, ...]
    multipliers: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Rate -> group -> multiplier at the end: above 0 where the rate was held down."""
    epochs: tuple[Epoch, ...] = ()
    before: Measurement
    after: Measurement

    @property
    def widened(self) -> tuple[Change, ...]:
        """The rates whose gap grew."""
        return tuple(one for one in self.changes if one.after > one.before)
