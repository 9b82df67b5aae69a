"""`fairness.json`: the rates of every group of a split, the gaps, and what swapping a group changes.

Its readers are model cards, `mlops models compare` and reports; they need no NumPy.
"""

import math
from typing import Any, Literal

from pydantic import ConfigDict, field_validator

from artifacts.facts import FactsFile
from artifacts.fairness.names import FAIRNESS, Rate
from core.settings import Documented


class Facts(Documented):
    """A frozen part of a file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Interval(Facts):
    """A number with the ends of its confidence interval."""

    value: float | None
    """Null where it is undefined, and so are the ends of its confidence interval."""
    low: float | None
    high: float | None

    @field_validator("value", "low", "high", mode="before")
    @classmethod
    def _finite(cls, given: Any) -> Any:
        return None if isinstance(given, float) and not math.isfinite(given) else given

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Estimate(Interval):
    """A rate or a mean."""

    rows: int
    """The rows that it is a share or a mean of."""


class RatesAt(Facts):
    """The rates of one group at one threshold."""

    threshold: float
    selection_rate: Estimate
    true_positive_rate: Estimate
    false_positive_rate: Estimate
    false_negative_rate: Estimate
    precision: Estimate


class Group(Facts):
    """The rows with one value, or one combination of values."""

    values: tuple[str, ...]
    """In the order of the grouping's features."""
    rows: int
    positives: int
    auc: Estimate
    calibration: Estimate
    """Mean score minus the share of positive rows."""
    rates: tuple[RatesAt, ...]

    @property
    def name(self) -> str:
        """The values for display, such as `Female, Black`."""
        return ", ".join(self.values)


class Grouping(Facts):
    """The groups that one feature, or a cross of several, divides the rows into."""

    features: tuple[str, ...]
    groups: tuple[Group, ...]
    """The largest first."""
    without: int
    """Rows that lack a value of one of the features, and so are in no group."""

    @property
    def name(self) -> str:
        """The features for display, such as `sex x race`."""
        return " x ".join(self.features)


class GapResult(Interval):
    """The highest rate among the groups minus the lowest; a rule compares its upper end."""

    features: tuple[str, ...]
    rate: Rate
    threshold: float | None
    """Null for calibration, which has none."""
    highest: tuple[str, ...] = ()
    """The group with the highest rate."""
    lowest: tuple[str, ...] = ()
    fewest: int
    """The rows behind the rate of the group that has the fewest."""


class Swapped(Facts):
    """What happens when a group is swapped in rows, and nothing else."""

    feature: str
    is_input: bool
    """Whether the model's requests have the feature."""
    changed: Estimate
    """Share of rows whose prediction changes at the decision threshold."""
    mean_change: float
    """Of the score, over the rows: the largest change by any other value."""
    largest_change: float


class Measurement(Facts, FactsFile):
    """One measurement."""

    FILE = FAIRNESS
    WANTED = "the measurement of a model's fairness"
    NEXT_STEP = "run measure_fairness again"

    version: Literal[1] = 1
    subject: str
    """Digest of the model."""
    split: str
    label: str
    positive: str
    rows: int
    decision_threshold: float
    confidence: float
    """Level of all two-sided intervals, from 0 to 1."""
    intervals: str = (
        "Wilson 1927 for rates, normal for means, Newcombe's method 10 (1998) and Zou and Donner (2008) for differences"
    )
    groupings: tuple[Grouping, ...]
    gaps: tuple[GapResult, ...]
    swapped: tuple[Swapped, ...] = ()

    def gap(self, features: tuple[str, ...], rate: Rate, threshold: float | None) -> GapResult | None:
        """Return a gap that was measured, or None."""
        wanted = (frozenset(features), rate, threshold)
        return next((one for one in self.gaps if (frozenset(one.features), one.rate, one.threshold) == wanted), None)
