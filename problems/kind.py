"""The interface of a kind of problem; stages use it instead of branching on the task."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from core.pictures import Markup
from core.problem import ModelOutput, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from problems.scores import OutputFacts

    Values = NDArray[np.floating[Any]]

Form = Literal["probabilities", "logits", "values"]
"""What a model's raw output is."""


class Gain(NamedTuple):
    """The skill of one predictor minus that of another, with a two-sided confidence interval."""

    low: float
    value: float
    high: float


class Scores(NamedTuple):
    """A model's output in the form that metrics use."""

    values: "Values"
    """[rows]: the probability of the positive class, or a number; [rows, classes]: a probability per class."""
    form: Form


class TfmaMetric(NamedTuple):
    """A metric or plot of TFMA: its class name and arguments."""

    name: str
    config: Mapping[str, Any] = {}


class Class(NamedTuple):
    """The metrics of one class; NaN when no row is of the class, or predicted to be."""

    name: str
    rows: int
    precision: float
    recall: float
    f1: float


class Kind(Protocol):
    """One kind of problem.

    Labels are float64 [rows]: 0 or 1, the index of a class, or a number. Scores are `Scores.values`. Weights are
    [rows], or None when all are 1.
    """

    task: Task
    skill_name: str
    """The metric of skills and gains; higher is better."""
    signatures: tuple[str, ...]
    """Signatures to predict with, in order of preference."""
    has_classes: bool
    gives_one_score: bool
    """Whether a classifier returns one score per row, the probability of class 1."""
    tfma_plots: tuple[TfmaMetric, ...]

    def width(self, classes: Sequence[str]) -> int | None:
        """Return the number of classes or values of a model with these classes; None when it is unknown."""

    def class_count(self, outputs: int | None) -> int | None:
        """Return the number of classes of a model with so many outputs; None when there are none, or it is unknown."""

    def class_order(self, found: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
        """Return a text label's values in the order of the classes; TrainingError when they cannot be classes."""

    def positive_fault(self, classes: Sequence[str], positive: str | None) -> str:
        """Return why these classes, in order, do not fit `problem.positive`; "" when they do."""

    def tfma_metrics(self, threshold: float) -> tuple[TfmaMetric, ...]:
        """Return TFMA's metrics for this kind; rows with a score above `threshold` are predicted positive."""

    def tfma_label(self, labels: "Values") -> "NDArray[Any]":
        """Return labels of the type that TFMA expects."""

    def shaped(self, output: "NDArray[Any]", model: str) -> "Values":
        """Return a model's raw output in the expected shape; MlopsError, which names the model, for other shapes."""

    def scores(self, output: "Values", declared: ModelOutput, facts: "OutputFacts | None" = None) -> Scores:
        """Convert outputs to scores; `auto` takes values outside [0, 1] for logits.

        `facts` are those of the outputs for all rows, where these are some of them.
        """

    def label_fault(self, labels: Mapping[float, float], width: int | None) -> str:
        """Return why a model with `width` outputs cannot be trained on labels (value -> count); "" when it can."""

    def faults(self, labels: "Values", scores: "Values") -> Iterator[str]:
        """Yield why finite scores cannot be evaluated on these labels."""

    def skill(self, labels: "Values", scores: "Values", weights: "Values | None" = None) -> float:
        """Return the skill of scores; NaN when it is undefined."""

    def gain(
        self, labels: "Values", ours: "Values", theirs: "Values", confidence: float, weights: "Values | None" = None
    ) -> Gain:
        """Return our skill minus theirs on the same rows, with a confidence interval."""

    def compare(
        self,
        labels: "Values",
        ours: "Values",
        others: "Mapping[str, Values]",
        confidence: float,
        weights: "Values | None" = None,
    ) -> tuple[float, dict[str, tuple[float, Gain]]]:
        """Return our skill, and by name the skill of others and our gain over them: those of `skill` and `gain`."""

    def row_metrics(self, labels: "Values", scores: "Values", weights: "Values | None" = None) -> dict[str, float]:
        """Return the metrics that TFMA does not have, by name; NaN when one is undefined."""

    def undefined(self, labels: "Values", metric: str) -> bool:
        """Whether a metric of TFMA is undefined for these labels, such as the AUC of one class."""

    def targets(self, labels: "Values", width: int) -> "Values":
        """Return the targets of baselines: [rows], or one-hot [rows, classes]."""

    def table_skill(self, rates: "Values", sums: "Values") -> float:
        """Return the skill of a rate table; `sums` are the sums of `table_columns` per cell, [cells, columns]."""

    def table_columns(self, targets: "Values") -> "list[NDArray[Any]]":
        """Return the columns, each [rows], whose sums per cell `table_skill` needs."""

    def linear_model(self) -> Any:
        """Return the scikit-learn estimator of the linear baseline."""

    def linear_scores(self, model: Any, matrix: Any, width: int) -> "Values":
        """Predict with the fitted linear baseline: [rows] or [rows, width]."""

    def classes(self, labels: "Values", scores: "Values", names: Sequence[str], threshold: float) -> list[Class]:
        """Return the metrics of each class; empty for a regression."""

    def row_errors(self, labels: "Values", scores: "Values") -> "Values":
        """Return the error of each prediction, [rows]; higher is worse."""

    def describe_label(self, value: float, names: Sequence[str]) -> str:
        """Return a label as text."""

    def describe_prediction(self, scores: "NDArray[Any]", names: Sequence[str]) -> str:
        """Return one row's prediction as text."""

    def pictures(self, labels: "Values", models: Mapping[str, "Values"], names: Sequence[str]) -> Iterator[Markup]:
        """Draw the plots of this kind; `models` by title, the candidate first."""
