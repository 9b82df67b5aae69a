"""The problem that a use case solves: facts that several stages need, written once.

A field of a stage's configuration that is annotated as `label: Annotated[str, FromProblem("label")]` gets its value
from the use case's `problem:` section; the user writes it there and nowhere else.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from core.settings import Settings

Task = Literal["binary_classification", "multiclass_classification", "regression"]
ModelOutput = Literal["auto", "probabilities", "logits"]
"""What a classifier returns; `auto` takes scores outside [0, 1] for logits."""


def _one_column(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


KeyColumns = Annotated[tuple[str, ...], BeforeValidator(_one_column), Field(min_length=1)]
"""Columns that identify a row; one alone may be written without a list."""


@dataclass(frozen=True)
class FromProblem:
    """Marks a field of a stage's section that is filled in from a fact of `problem`."""

    fact: str


def facts_in(section: type[BaseModel]) -> dict[str, str]:
    """Return field -> fact for the fields that are annotated with `FromProblem`; TypeError for an unknown fact."""
    facts = {}
    for name, field in section.model_fields.items():
        for mark in field.metadata:
            if isinstance(mark, FromProblem):
                facts[name] = mark.fact
    unknown = set(facts.values()) - set(Problem.model_fields)
    if unknown:
        raise TypeError(f"{section.__module__}: {', '.join(sorted(unknown))} is no fact of core.problem.Problem")
    return facts


class Metric(Settings):
    """A metric with the threshold that it must keep on the eval split."""

    name: str
    """As the evaluation names it, such as `auc`, `auc_precision_recall`, `calibration_error`."""
    at_least: float | None = None
    """Lowest value that passes, in the metric's own unit."""
    at_most: float | None = None
    """Highest value that passes, in the metric's own unit."""
    why: str = Field(min_length=10)
    """Where the threshold comes from: a measurement or a business need."""

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
    """The kind of prediction; it determines the signatures, the baselines and the metrics."""
    positive: str | None = None
    """The positive class of a binary classification, as the label spells it; required unless the labels are 0 and 1."""
    model_output: ModelOutput = "auto"
    """Whether a classifier returns probabilities or logits; logits are turned into probabilities."""
    key: KeyColumns | None = None
    """The column, or columns, that identify a row for splits, labels and votes; where empty, the features of a request
    do. It is no input of the model: the schema has it with `not_in_environment: "SERVING"`."""
    weight: str | None = None
    """A numeric feature with the weight of each row in training and evaluation; it is no input of the model."""
    metrics: tuple[Metric, ...] = Field(min_length=1)
    """The thresholds of the gate; a model that misses any of them is not blessed."""
