"""The `measure_fairness` section: the groups, the thresholds, and the largest gaps that a model may have."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from artifacts.fairness.names import CALIBRATION, Rate
from core.problem import FromProblem, ModelOutput, Task
from core.settings import GateSettings, Settings

Features = Annotated[tuple[str, ...], Field(min_length=1)]
"""Features whose values are groups; several are crossed."""
Threshold = Annotated[float, Field(gt=0, lt=1)]
"""A row is predicted positive when its probability is above this. At 0 and 1 all groups have the same rates."""
Share = Annotated[float, Field(ge=0, le=1)]


class GapRule(Settings):
    """The largest gap of a rate between any two groups."""

    rate: Rate
    groups: tuple[Features, ...] = Field(min_length=1)
    """Which of the configured groups it applies to."""
    at_most: Share
    """The upper end of the gap's confidence interval must not be above this."""
    threshold: Threshold | None = None
    """The decision threshold where empty; of no meaning for calibration."""
    why: str = Field(min_length=10)
    """Where the bound comes from: a measurement, a law or a policy."""


class SwapRule(Settings):
    """How many predictions may change when the group of a row is swapped, and nothing else."""

    features: Features
    """Features that are swapped one at a time, also those that the model does not see."""
    at_most: Share = 0.01
    """The upper end of the interval of the share of rows whose prediction changes must not be above this."""
    rows: int = Field(default=1000, ge=100, le=20_000)
    """Rows of the eval split to swap in, drawn at random."""


class Config(GateSettings):
    """Which groups are measured, and what keeps the gate closed."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    positive: Annotated[str | None, FromProblem("positive")] = None
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    groups: tuple[Features, ...] = Field(min_length=1)
    """Features whose values are groups, and crosses of them, such as `[[sex], [race], [sex, race]]`. The model need not
    see them: `not_in_environment: "SERVING"` in the schema keeps a feature for the evaluation alone."""
    decision_threshold: Threshold = 0.5
    """What predictions are decided by; the same as `evaluate_model.decision_threshold`."""
    thresholds: tuple[Threshold, ...] = (0.3, 0.5, 0.7)
    """Further thresholds to measure at."""
    gaps: tuple[GapRule, ...] = Field(min_length=1)
    swaps: SwapRule | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the two-sided confidence intervals."""
    min_group_rows: int = Field(default=100, ge=10)
    """A group with fewer rows is too small: a rule about it is undecided."""
    min_rate_rows: int = Field(default=30, ge=5)
    """The same for the rows that a rate is a share of, such as a group's negative rows for the false positive rate."""
    max_without: Share = 0.05
    """Largest share of rows that lack a group; with more, rules about it are undecided."""
    max_groups: int = Field(default=50, ge=2, le=200)
    """Maximum number of groups of one feature or cross."""
    seed: int = 0

    @model_validator(mode="after")
    def _known_groups(self) -> Self:
        measured = {frozenset(features) for features in self.groups}
        for rule in self.gaps:
            for features in rule.groups:
                if frozenset(features) not in measured:
                    raise ValueError(
                        f"gaps: {list(features)} is not among groups, got {[list(one) for one in self.groups]}; "
                        "add it there"
                    )
        if self.task != "binary_classification":
            raise ValueError(
                f"measure_fairness: wanted a binary_classification, got {self.task}; rates of groups are about one "
                "positive class: remove the section, or make the label binary"
            )
        return self

    @property
    def all_thresholds(self) -> tuple[float, ...]:
        """Every threshold that is measured at, ascending."""
        of_rules = [rule.threshold for rule in self.gaps if rule.threshold is not None]
        return tuple(sorted({self.decision_threshold, *self.thresholds, *of_rules}))

    def threshold(self, rule: GapRule) -> float | None:
        """Return the threshold of a rule; None for calibration."""
        if rule.rate == CALIBRATION:
            return None
        return self.decision_threshold if rule.threshold is None else rule.threshold
