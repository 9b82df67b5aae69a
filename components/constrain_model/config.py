"""The `constrain_model` section: which rate must be the same in which groups, and what that may cost."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.problem import FromProblem, Task
from core.settings import Settings

Constraint = Literal["false_positive_rate", "true_positive_rate", "selection_rate", "equalized_odds"]
"""`equalized_odds` are the true and the false positive rate together."""


class Config(Settings):
    """How a model is constrained; how models are trained is said by `train_model`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    positive: Annotated[str | None, FromProblem("positive")] = None
    rate: Constraint
    """The rate that must be the same. A constraint on one rate can widen the gap of another, which is shown."""
    groups: Annotated[tuple[str, ...], Field(min_length=1)]
    """The feature whose values are groups, or several that are crossed. Only training reads them."""
    max_gap: float = Field(default=0.02, gt=0, lt=1)
    """The gap that training aims at; the model with the best skill among those that keep it is taken."""
    decision_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A row is predicted positive when its probability is above this."""
    epochs: int = Field(default=30, ge=1)
    """Further epochs, from the weights of the model of `train_model`."""
    step: float = Field(default=1.0, gt=0)
    """Size of a multiplier's step per epoch, for each unit by which a group's rate is too far from that of all rows."""
    min_group_rows: int = Field(default=100, ge=10)
    """Rows of the training split that every group must have behind the rate; fewer cannot be constrained."""
    min_reduction: float = Field(default=0.5, gt=0, le=1)
    """Share of the gap that must go, on the validation split; otherwise the model of `train_model` goes on."""
    max_cost: float = Field(default=0.005, ge=0)
    """Largest loss of AUC on the validation split."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the two-sided intervals of what changes."""

    @model_validator(mode="after")
    def _has_two_classes(self) -> Self:
        if self.task != "binary_classification":
            raise ValueError(
                f"constrain_model: wanted a binary_classification, got {self.task}; its rates are about one positive "
                "class: remove the section, or make the label binary"
            )
        return self
