"""What every kind of problem answers; stages ask it instead of looking at the name of the task."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from core.pictures import Markup
from core.problem import ModelOutput, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.floating[Any]]

Form = Literal["probabilities", "logits", "values"]
"""What a model's raw output was taken for."""


class Gain(NamedTuple):
    """How much better one predictor is than another, with a two-sided confidence interval."""

    low: float
    value: float
    high: float


class Scores(NamedTuple):
    """A model's output as it is measured."""

    values: "Values"
    """[rows] of probabilities of the positive class or of values; [rows, classes] for several classes."""
    form: Form


class TfmaMetric(NamedTuple):
    """One of TFMA's own metrics or plots: its class name and arguments."""

    name: str
    config: Mapping[str, Any] = {}


class Class(NamedTuple):
    """How one class of a classification is told from the others; NaN where nothing is of the class."""

    name: str
    rows: int
    precision: float
    recall: float
    f1: float


class Kind(Protocol):
    """One kind of problem.

    Labels are [rows] of float64: 0 or 1, the index of a class, or a number. Scores are `Scores.values`. Weights are
    [rows] or None for rows that all count the same.
    """

    task: Task
    skill_name: str
    """What skills and gains are measured in; more is better."""
    signatures: tuple[str, ...]
    """Signatures that a model is asked by, the best one first."""
    has_classes: bool
    gives_one_score: bool
    """Whether a classifier gives a row one score, that of class 1; class 0 has what is left to 1."""
    tfma_plots: tuple[TfmaMetric, ...]

    def width(self, classes: Sequence[str]) -> int | None:
        """How many numbers a model gives a row, for these classes; None where that is not known."""

    def class_count(self, outputs: int | None) -> int | None:
        """How many classes a model tells apart that gives so many numbers; None where nobody knows."""

    def class_order(self, found: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
        """Put a text label's values in the order of their numbers; TrainingError where they cannot be classes."""

    def positive_fault(self, classes: Sequence[str], positive: str | None) -> str:
        """Say why these classes, in the order of their numbers, do not fit `problem.positive`, or nothing."""

    def tfma_metrics(self, threshold: float) -> tuple[TfmaMetric, ...]:
        """Return TFMA's metrics that every use case of the kind gets; `threshold` calls a row positive."""

    def tfma_label(self, labels: "Values") -> "NDArray[Any]":
        """Return labels of the type that TFMA takes."""

    def shaped(self, output: "NDArray[Any]", model: str) -> "Values":
        """Check the shape of a model's raw output; MlopsError names the model and what was wanted."""

    def scores(self, output: "Values", declared: ModelOutput) -> Scores:
        """Turn all of a model's shaped outputs into scores; `auto` takes what cannot be probabilities for logits."""

    def label_fault(self, labels: Mapping[float, int], width: int | None) -> str:
        """Say why nothing can be learned from labels (counts by value), or nothing; `width` is the model's."""

    def faults(self, labels: "Values", scores: "Values") -> Iterator[str]:
        """Say why finite scores cannot be measured on these labels."""

    def skill(self, labels: "Values", scores: "Values", weights: "Values | None" = None) -> float:
        """Measure scores by one number; NaN where it is not defined."""

    def gain(
        self, labels: "Values", ours: "Values", theirs: "Values", confidence: float, weights: "Values | None" = None
    ) -> Gain:
        """Compare two predictors on the same rows."""

    def row_metrics(self, labels: "Values", scores: "Values", weights: "Values | None" = None) -> dict[str, float]:
        """Compute the metrics that TFMA does not have; NaN where one is not defined."""

    def undefined(self, labels: "Values", metric: str) -> bool:
        """Whether a metric of TFMA's is no answer on these labels, such as the AUC of one class."""

    def targets(self, labels: "Values", width: int) -> "Values":
        """Return what baselines are fitted to: [rows], or one-hot [rows, classes]."""

    def table_skill(self, rates: "Values", sums: "Values") -> float:
        """Measure a table of rates by sums over its cells: `sums` has a column per target, see `table_columns`."""

    def table_columns(self, targets: "Values") -> "list[NDArray[Any]]":
        """Return the columns that `table_skill` wants summed per cell."""

    def linear_model(self) -> Any:
        """Return the scikit-learn estimator of the linear baseline."""

    def linear_scores(self, model: Any, matrix: Any, width: int) -> "Values":
        """Predict with the fitted linear baseline: [rows] or [rows, width]."""

    def classes(self, labels: "Values", scores: "Values", names: Sequence[str], threshold: float) -> list[Class]:
        """Measure each class by itself; empty where there are none."""

    def wrongness(self, labels: "Values", scores: "Values") -> "Values":
        """Say per row how wrong a prediction is; more is worse."""

    def shown(self, value: float, names: Sequence[str]) -> str:
        """Write a label for people."""

    def answer(self, scores: "NDArray[Any]", names: Sequence[str]) -> str:
        """Write one row's prediction for people."""

    def pictures(self, labels: "Values", models: Mapping[str, "Values"], names: Sequence[str]) -> Iterator[Markup]:
        """Draw the first pictures of a report; `models` by title, the candidate first."""
