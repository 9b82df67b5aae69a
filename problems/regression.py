"""A number to predict: scores are numbers in the label's unit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import MlopsError
from core.pictures import Markup
from core.problem import ModelOutput, Task
from problems import charts
from problems.gains import Values, mean, paired
from problems.kind import Class, Gain, Scores, TfmaMetric


class Regression:
    """Labels and scores are [rows] of numbers."""

    task: Task = "regression"
    skill_name = "R2"
    signatures = ("regress", "serving_default")
    has_classes = False
    gives_one_score = False
    tfma_plots: tuple[TfmaMetric, ...] = ()

    def width(self, classes: Sequence[str]) -> int | None:
        """One number a row."""
        return 1

    def class_count(self, outputs: int | None) -> int | None:
        """There are none."""
        return None

    def class_order(self, found: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
        """There are none to put in order."""
        return found

    def positive_fault(self, classes: Sequence[str], positive: str | None) -> str:
        """There is none to look for."""
        return ""

    def tfma_metrics(self, threshold: float) -> tuple[TfmaMetric, ...]:
        """Return errors and correlation."""
        names = ("ExampleCount", "MeanSquaredError", "MeanAbsoluteError", "SquaredPearsonCorrelation")
        return tuple(TfmaMetric(name) for name in names)

    def tfma_label(self, labels: Values) -> NDArray[Any]:
        """TFMA takes a float."""
        return labels.astype(np.float32)

    def shaped(self, output: NDArray[Any], model: str) -> Values:
        """Take [rows] or [rows, 1]."""
        scores = np.asarray(output, np.float32)
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        if scores.ndim != 1:
            raise MlopsError(
                f"{model}: wanted predictions of the shape [rows] or [rows, 1] for {self.task}, "
                f"got {list(output.shape)}"
            )
        return scores

    def scores(self, output: Values, declared: ModelOutput) -> Scores:
        """A number is what it is."""
        return Scores(output, "values")

    def label_fault(self, labels: Mapping[float, int], width: int | None) -> str:
        """Labels must differ, and the model must give one number."""
        if len(labels) == 1:
            (value,) = labels
            return f"wanted labels that differ, got {value:g} in all {sum(labels.values())} rows; look at the source"
        if width not in (None, 1):
            return f"wanted a model with one output for a regression, got {width}: end it in Dense(1)"
        return ""

    def faults(self, labels: Values, scores: Values) -> Iterator[str]:
        """Any finite number can be measured."""
        yield from ()

    def skill(self, labels: Values, scores: Values, weights: Values | None = None) -> float:
        """Return R2: how much of the labels' variance is explained."""
        total = _variance(labels, weights)
        return float("nan") if total == 0 else 1 - mean((labels - scores) ** 2, weights) / total

    def gain(
        self, labels: Values, ours: Values, theirs: Values, confidence: float, weights: Values | None = None
    ) -> Gain:
        """Compare squared errors row by row, as shares of the labels' variance."""
        scale = _variance(labels, weights) or float("nan")
        return paired(((labels - theirs) ** 2 - (labels - ours) ** 2) / scale, confidence, weights)

    def row_metrics(self, labels: Values, scores: Values, weights: Values | None = None) -> dict[str, float]:
        """Measure the error in the label's unit, and as a share of the variance."""
        squared = mean((labels - scores) ** 2, weights)
        total = _variance(labels, weights)
        return {"root_mean_squared_error": squared**0.5, "r2": 1 - squared / total if total else float("nan")}

    def undefined(self, labels: Values, metric: str) -> bool:
        """Errors are always defined."""
        return False

    def targets(self, labels: Values, width: int) -> Values:
        """The mean of the labels."""
        return labels

    def table_columns(self, targets: Values) -> list[NDArray[Any]]:
        """Sum rows, labels and their squares."""
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
        """There are none."""
        return []

    def wrongness(self, labels: Values, scores: Values) -> Values:
        """The absolute error."""
        return np.asarray(np.abs(labels - scores))

    def shown(self, value: float, names: Sequence[str]) -> str:
        """Write the number."""
        return f"{value:.6g}"

    def answer(self, scores: NDArray[Any], names: Sequence[str]) -> str:
        """Write the number."""
        return f"{float(scores):.6g}"

    def pictures(self, labels: Values, models: Mapping[str, Values], names: Sequence[str]) -> Iterator[Markup]:
        """Draw predictions against labels, and how the residuals lie."""
        yield charts.regression(labels, next(iter(models.values())))


def _variance(labels: Values, weights: Values | None) -> float:
    if weights is None:
        return float(np.var(labels))
    return mean((labels - mean(labels, weights)) ** 2, weights)
