"""Regression: scores are numbers in the label's unit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import MlopsError
from core.pictures import Markup
from core.problem import ModelOutput, Task
from problems import charts
from problems.gains import OneByOne, Values, mean, paired
from problems.kind import Class, Gain, Scores, TfmaMetric
from problems.scores import OutputFacts


class Regression(OneByOne):
    """Labels and scores are [rows] of numbers."""

    task: Task = "regression"
    skill_name = "R2"
    signatures = ("regress", "serving_default")
    has_classes = False
    gives_one_score = False
    tfma_plots: tuple[TfmaMetric, ...] = ()

    def width(self, classes: Sequence[str]) -> int | None:
        """One output."""
        return 1

    def class_count(self, outputs: int | None) -> int | None:
        """There are no classes."""
        return None

    def class_order(self, found: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
        """There are no classes."""
        return found

    def positive_fault(self, classes: Sequence[str], positive: str | None) -> str:
        """There is no positive class."""
        return ""

    def tfma_metrics(self, threshold: float) -> tuple[TfmaMetric, ...]:
        """Return the metrics of errors and correlation."""
        names = ("ExampleCount", "MeanSquaredError", "MeanAbsoluteError", "SquaredPearsonCorrelation")
        return tuple(TfmaMetric(name) for name in names)

    def tfma_label(self, labels: Values) -> NDArray[Any]:
        """Return labels as floats."""
        return labels.astype(np.float32)

    def shaped(self, output: NDArray[Any], model: str) -> Values:
        """Accept [rows] or [rows, 1]."""
        scores = np.asarray(output, np.float32)
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        if scores.ndim != 1:
            raise MlopsError(
                f"{model}: wanted predictions of the shape [rows] or [rows, 1] for {self.task}, "
                f"got {list(output.shape)}"
            )
        return scores

    def scores(self, output: Values, declared: ModelOutput, facts: OutputFacts | None = None) -> Scores:
        """Return the output unchanged."""
        return Scores(output, "values")

    def label_fault(self, labels: Mapping[float, float], width: int | None) -> str:
        """Check that labels differ, and that the model has one output."""
        if len(labels) == 1:
            (value,) = labels
            return f"wanted labels that differ, got {value:g} in all {sum(labels.values())} rows; correct the data"
        if width not in (None, 1):
            return f"wanted a model with one output for a regression, got {width}: end it in Dense(1)"
        return ""

    def faults(self, labels: Values, scores: Values) -> Iterator[str]:
        """Any finite numbers can be evaluated."""
        yield from ()

    def skill(self, labels: Values, scores: Values, weights: Values | None = None) -> float:
        """Return R2, the share of the labels' variance that is explained."""
        total = _variance(labels, weights)
        return float("nan") if total == 0 else 1 - mean((labels - scores) ** 2, weights) / total

    def gain(
        self, labels: Values, ours: Values, theirs: Values, confidence: float, weights: Values | None = None
    ) -> Gain:
        """Return the difference of R2, paired by row."""
        scale = _variance(labels, weights) or float("nan")
        return paired(((labels - theirs) ** 2 - (labels - ours) ** 2) / scale, confidence, weights)

    def row_metrics(self, labels: Values, scores: Values, weights: Values | None = None) -> dict[str, float]:
        """Return root mean squared error, in the label's unit, and R2."""
        squared = mean((labels - scores) ** 2, weights)
        total = _variance(labels, weights)
        return {"root_mean_squared_error": squared**0.5, "r2": 1 - squared / total if total else float("nan")}

    def undefined(self, labels: Values, metric: str) -> bool:
        """Errors are always defined."""
        return False

    def targets(self, labels: Values, width: int) -> Values:
        """Return the labels."""
        return labels

    def table_columns(self, targets: Values) -> list[NDArray[Any]]:
        """Return the columns whose sums are rows, labels and squared labels."""
        return [np.ones(len(targets)), targets, targets**2]

    def table_skill(self, rates: Values, sums: Values) -> float:
        """Return the R2 of the cells' means."""
        rows, total, squares = sums.T
        spread = squares.sum() - total.sum() ** 2 / rows.sum()
        error = (squares - 2 * rates * total + rates**2 * rows).sum()
        return float(1 - error / spread) if spread > 0 else float("nan")

    def linear_model(self) -> Any:
        """A ridge regression."""
        from sklearn.linear_model import Ridge  # noqa: PLC0415

        return Ridge()

    def linear_scores(self, model: Any, matrix: Any, width: int) -> Values:
        """Predict numbers."""
        return np.asarray(model.predict(matrix))

    def classes(self, labels: Values, scores: Values, names: Sequence[str], threshold: float) -> list[Class]:
        """There are no classes."""
        return []

    def row_errors(self, labels: Values, scores: Values) -> Values:
        """Return the absolute error."""
        return np.asarray(np.abs(labels - scores))

    def describe_label(self, value: float, names: Sequence[str]) -> str:
        """Return the number as text."""
        return f"{value:.6g}"

    def describe_prediction(self, scores: NDArray[Any], names: Sequence[str]) -> str:
        """Return the number as text."""
        return f"{float(scores):.6g}"

    def pictures(self, labels: Values, models: Mapping[str, Values], names: Sequence[str]) -> Iterator[Markup]:
        """Draw predictions against labels, and the residuals."""
        yield charts.regression(labels, next(iter(models.values())))


def _variance(labels: Values, weights: Values | None) -> float:
    if weights is None:
        return float(np.var(labels))
    return mean((labels - mean(labels, weights)) ** 2, weights)
