"""What a use case is about: the facts that several stages need, written once.

A field of a stage's configuration that is annotated as `label: Annotated[str, FromProblem("label")]` gets its value
from the use case's `problem:` section; the user writes it there and nowhere else.
"""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from core.settings import Settings

Task = Literal["binary_classification", "multiclass_classification", "regression"]
ModelOutput = Literal["auto", "probabilities", "logits"]
"""What a classifier gives; `auto` takes scores outside [0, 1] for logits."""


@dataclass(frozen=True)
class FromProblem:
    """Marks a field of a stage's section that is filled in from a fact of `problem`."""

    fact: str


def facts_in(section: type[BaseModel]) -> dict[str, str]:
    """Return for each field of a section that comes from `problem` the fact's name; TypeError when there is none."""
    found = {}
    for name, field in section.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, FromProblem):
                found[name] = mark.fact
    if unknown := set(found.values()) - set(Problem.model_fields):
        raise TypeError(f"{section.__module__}: {', '.join(sorted(unknown))} is no fact of core.problem.Problem")
    return found


class Metric(Settings):
    """A number that decides about the model, with the bound it must keep on the eval split."""

    name: str
    """As the evaluation names it, such as `auc`, `auc_precision_recall`, `calibration_error`."""
    at_least: float | None = None
    """Lowest value that is good enough, in the metric's own unit."""
    at_most: float | None = None
    """Highest value that is good enough, in the metric's own unit."""
    why: str = Field(min_length=10)
    """Where the bound comes from: a measurement, a business need, never a wish."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(
                f"metric {self.name!r}: wanted exactly one of at_least and at_most, "
                f"got {'both' if self.at_least is not None else 'neither'}"
            )
        return self


class Problem(Settings):
    """The supervised problem."""

    label: str
    """The feature to predict, as the schema names it."""
    task: Task
    """What kind of prediction it is; it chooses the signatures, the baselines and the metrics that make sense."""
    positive: str | None = None
    """The class that a binary classification looks for, as the label spells it; words need it, 0 and 1 do not."""
    model_output: ModelOutput = "auto"
    """Whether a classifier gives probabilities or logits; logits are turned into probabilities."""
    weight: str | None = None
    """A numeric feature that says how much a row counts, in training and in evaluation; it is no input of the model."""
    metrics: tuple[Metric, ...] = Field(min_length=1)
    """What good enough means; a model below any bound is not blessed."""
