"""Binary classification: scores are the probability of the positive class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import MlopsError, TrainingError, did_you_mean
from core.pictures import Markup
from core.problem import ModelOutput, Task
from problems import charts
from problems.auc import Ranked, auc, auc_of_table, difference
from problems.classes import classification_faults, per_class, shown_class
from problems.gains import Values, interval, mean
from problems.kind import Class, Gain, Scores, TfmaMetric
from problems.scores import OutputFacts, are_logits, sigmoid, softmax

BINS = 10
"""Bins of the calibration error."""
_SMALLEST = 1e-7
"""Probabilities are clipped to this before taking the logarithm, as in Keras."""


class Binary:
    """Labels are 0 or 1; scores are [rows], the probability of 1."""

    task: Task = "binary_classification"
    skill_name = "AUC"
    signatures = ("regress", "classify", "serving_default")
    has_classes = True
    gives_one_score = True
    tfma_plots = (TfmaMetric("CalibrationPlot"), TfmaMetric("ConfusionMatrixPlot"))

    def width(self, classes: Sequence[str]) -> int | None:
        """Two: the classes 0 and 1."""
        return 2

    def class_count(self, outputs: int | None) -> int | None:
        """Two, although the model has one output."""
        return 2

    def class_order(self, found: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
        """Put the positive class last, as class 1."""
        if len(found) != 2:
            raise TrainingError(
                f"problem.label: wanted two values for a binary classification, got {len(found)}: "
                f"{', '.join(map(repr, found[:10]))}; use multiclass_classification, or make two in preprocessing_fn"
            )
        if positive not in found:
            got = "nothing" if positive is None else f"{positive!r}{did_you_mean(positive, found)}"
            raise TrainingError(
                f"problem.positive: wanted the positive class, {found[0]!r} or {found[1]!r}, got {got}; "
                "set it in config.yaml"
            )
        return tuple(sorted(found, key=lambda name: name == positive))

    def positive_fault(self, classes: Sequence[str], positive: str | None) -> str:
        """Check that the positive class is class 1."""
        if positive is None or positive in classes[1:]:
            return ""
        return (
            f"wanted {positive!r} to be class 1, but in preprocessing_fn class 1 is "
            f"{' '.join(classes[1:]) or 'nothing'!r}; correct one of them"
        )

    def tfma_metrics(self, threshold: float) -> tuple[TfmaMetric, ...]:
        """Return the metrics of ranking, of the confusion matrix at the threshold, and of calibration."""
        at = {"thresholds": (threshold,)}
        rates = ("Precision", "Recall", "FalsePositiveRate", "FalseNegativeRate")
        return (
            *(TfmaMetric(name) for name in ("ExampleCount", "AUC", "AUCPrecisionRecall")),
            TfmaMetric("BinaryAccuracy", {"threshold": threshold}),
            *(TfmaMetric(name, at) for name in rates),
            *(TfmaMetric(name) for name in ("Calibration", "MeanLabel", "MeanPrediction")),
        )

    def tfma_label(self, labels: Values) -> NDArray[Any]:
        """Return labels as floats."""
        return labels.astype(np.float32)

    def shaped(self, output: NDArray[Any], model: str) -> Values:
        """Accept [rows], [rows, 1] or, for both classes, [rows, 2]."""
        scores = np.asarray(output, np.float32)
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        if scores.ndim != 1 and scores.shape[1:] != (2,):
            raise MlopsError(
                f"{model}: wanted predictions of the shape [rows], [rows, 1] or [rows, 2] for {self.task}, "
                f"got {list(output.shape)}"
            )
        return scores

    def scores(self, output: Values, declared: ModelOutput, facts: OutputFacts | None = None) -> Scores:
        """Return the probability of the second of two columns, or of the only one."""
        logits = are_logits(output, declared, facts)
        if output.ndim == 2:
            return Scores(softmax(output)[:, 1] if logits else output[:, 1], "logits" if logits else "probabilities")
        return Scores(sigmoid(output), "logits") if logits else Scores(output, "probabilities")

    def label_fault(self, labels: Mapping[float, float], width: int | None) -> str:
        """Check that the labels are 0 and 1, and that the model has one output."""
        if len(labels) == 1:
            (value,) = labels
            return f"wanted at least two classes, got {value:g} in all {sum(labels.values())} rows; correct the data"
        if set(labels) != {0, 1}:
            some = ", ".join(f"{value:g}" for value in sorted(labels)[:10])
            return (
                f"wanted the labels 0 and 1 of a binary classification, got {some}; map them in preprocessing_fn, "
                "or use multiclass_classification"
            )
        if width not in (None, 1):
            return (
                f"wanted a model with one output for a binary classification, got {width}: end it in Dense(1), "
                "or use multiclass_classification"
            )
        return ""

    def faults(self, labels: Values, scores: Values) -> Iterator[str]:
        """Check that there are both classes, and that scores are probabilities."""
        return classification_faults(labels, scores)

    def skill(self, labels: Values, scores: Values, weights: Values | None = None) -> float:
        """Return the exact ROC AUC."""
        return auc(labels, scores, weights)

    def gain(
        self, labels: Values, ours: Values, theirs: Values, confidence: float, weights: Values | None = None
    ) -> Gain:
        """Return the difference of the AUCs with DeLong's confidence interval."""
        value, error = difference(labels, ours, theirs, weights)
        return interval(value, error, confidence)

    def compare(
        self,
        labels: Values,
        ours: Values,
        others: Mapping[str, Values],
        confidence: float,
        weights: Values | None = None,
    ) -> tuple[float, dict[str, tuple[float, Gain]]]:
        """Rank each predictor's scores once."""
        mine, found = Ranked(labels, ours, weights), {}
        for name, scores in others.items():
            theirs = Ranked(labels, scores, weights)
            found[name] = theirs.area(), interval(*mine.minus(theirs), confidence)
        return mine.area(), found

    def row_metrics(self, labels: Values, scores: Values, weights: Values | None = None) -> dict[str, float]:
        """Return Brier score, expected calibration error and log loss."""
        exact = scores.astype(np.float64)
        clipped = np.clip(exact, _SMALLEST, 1 - _SMALLEST)
        return {
            "brier_score": mean((labels - exact) ** 2, weights),
            "calibration_error": calibration_error(labels, exact, weights),
            "log_loss": mean(-np.where(labels > 0, np.log(clipped), np.log1p(-clipped)), weights),
        }

    def undefined(self, labels: Values, metric: str) -> bool:
        """AUC is undefined for one class; TFMA returns 0 for it."""
        return metric.startswith("auc") and len(np.unique(labels)) < 2

    def targets(self, labels: Values, width: int) -> Values:
        """Return the labels, whose mean is the rate of positives."""
        return labels

    def table_columns(self, targets: Values) -> list[NDArray[Any]]:
        """Return the columns whose sums are rows and positives."""
        return [np.ones(len(targets)), targets]

    def table_skill(self, rates: Values, sums: Values) -> float:
        """Return the AUC of the cells' rates."""
        rows, positives = sums.T
        return auc_of_table(rates, positives, rows - positives)

    def linear_model(self) -> Any:
        """A logistic regression."""
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        return LogisticRegression(max_iter=100, tol=1e-3)

    def linear_scores(self, model: Any, matrix: Any, width: int) -> Values:
        """Return the probability of the positive class."""
        return np.asarray(model.predict_proba(matrix)[:, 1])

    def classes(self, labels: Values, scores: Values, names: Sequence[str], threshold: float) -> list[Class]:
        """Return the metrics of both classes at the threshold."""
        return per_class(labels, (scores > threshold).astype(np.int64), names or ("0", "1"))

    def row_errors(self, labels: Values, scores: Values) -> Values:
        """Return the difference between label and probability."""
        return np.asarray(np.abs(labels - scores))

    def describe_label(self, value: float, names: Sequence[str]) -> str:
        """Return the name of the class."""
        return shown_class(value, names)

    def describe_prediction(self, scores: NDArray[Any], names: Sequence[str]) -> str:
        """Return the positive class with its probability."""
        return f"{shown_class(1, names)}: {float(scores):.3f}"

    def pictures(self, labels: Values, models: Mapping[str, Values], names: Sequence[str]) -> Iterator[Markup]:
        """Draw ROC curve, calibration and the histogram of scores."""
        yield charts.binary(labels, models, [shown_class(0, names), shown_class(1, names)])


def calibration_error(labels: Values, scores: Values, weights: Values | None = None) -> float:
    """Return the expected calibration error over BINS bins of equal width."""
    bins = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    gap = scores - labels
    gaps = np.abs(np.bincount(bins, gap if weights is None else gap * weights, minlength=BINS))
    return float(gaps.sum() / (len(labels) if weights is None else weights.sum()))
