"""The `select_features` section: which methods select features, and how much skill a smaller set may lose."""

from typing import Annotated, Literal

from pydantic import Field

from core.problem import FromProblem, Task
from core.settings import Settings

Method = Literal["correlation", "k_best", "rfe", "importance", "l1"]


class Config(Settings):
    """How features are selected; `label`, `task`, `positive` and `weight` come from `problem`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    positive: Annotated[str | None, FromProblem("positive")] = None
    weight: Annotated[str | None, FromProblem("weight")] = None
    max_loss: float = Field(ge=0, lt=1)
    """Most skill (AUC, accuracy or R2) that the selected features may lose against all: the upper end of the loss's
    confidence interval. Features that no method selects are compared as one more method, `union`."""
    apply: Literal["propose", "within_loss"] = "propose"
    """`propose`: the run uses every feature, and a person applies the proposal (`mlops features apply`);
    `within_loss`: this run trains without the features that were not selected."""
    methods: tuple[Method, ...] = Field(default=("correlation", "k_best", "rfe", "importance", "l1"), min_length=1)
    """`correlation` with the label, and not with a better feature; `k_best`: scikit-learn's SelectKBest by an F-test;
    `rfe`: recursive feature elimination; `importance` in extra trees; `l1`: a penalty on a linear model."""
    max_features: int | None = Field(default=None, ge=1)
    """Most features that a method selects; without it, all that score higher than every shadow do."""
    keep: tuple[str, ...] = ()
    """Features that are never left out, such as those of slices or of a contract with a client."""
    folds: int = Field(default=5, ge=2, le=20)
    """Folds of a window with a single training span; otherwise every span is a fold."""
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=2)
    """A selection is made for every seed and fold; each draws 80% of the fold's training rows and its own shadows."""
    chosen_in: float = Field(default=0.75, gt=0.5, le=1)
    """Share of those selections that a feature must be in."""
    min_stability: float = Field(default=0.5, ge=0, le=1)
    """Lowest mean overlap (Jaccard) of two selections of a method that can be chosen."""
    twin_above: float = Field(default=0.999, gt=0.9, le=1)
    """Absolute correlation above which two numbers are twins; equal or renamed categories always are."""
    correlation_above: float = Field(default=0.95, gt=0, le=1)
    """Absolute correlation with a better feature above which the method `correlation` leaves one out."""
    max_rows: int = Field(default=10_000, ge=100)
    """Most rows of the train split that are used, drawn at random."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
