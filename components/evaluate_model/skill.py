"""One number for how good predictions are, and the confidence interval of a gain between two predictors on the same rows.

The number is the exact ROC AUC for a binary label, accuracy for several classes and R2 for a regression: more is better.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.evaluate_model.columns import Values
from core.problem import Task

NAMES: dict[Task, str] = {"binary_classification": "AUC", "multiclass_classification": "accuracy", "regression": "R2"}


class Gain(NamedTuple):
    """How much better one predictor is than another, with a two-sided confidence interval."""

    low: float
    value: float
    high: float


def skill(task: Task, labels: Values, predictions: Values) -> float:
    """Measure predictions; NaN where the measure is not defined, such as the AUC of one class."""
    if task == "binary_classification":
        return auc(labels, predictions)
    if task == "multiclass_classification":
        return float(np.mean(_hits(labels, predictions)))
    total = float(np.var(labels))
    return float("nan") if total == 0 else 1 - float(np.mean((labels - predictions) ** 2)) / total


def auc(labels: Values, scores: Values) -> float:
    """Probability that a positive row scores above a negative one, ties counting half; NaN for one class."""
    positive = labels > 0
    if positive.all() or not positive.any():
        return float("nan")
    return float(np.mean(_placements(positive, scores)[0]))


def gain(task: Task, labels: Values, ours: Values, theirs: Values, confidence: float) -> Gain:
    """Compare two predictors on the same rows: DeLong for the AUC, otherwise the paired mean of each row's difference."""
    if task == "binary_classification":
        value, error = _delong(labels > 0, ours, theirs)
    else:
        difference = _row_difference(task, labels, ours, theirs)
        value, error = (
            float(np.mean(difference)),
            float(np.std(difference, ddof=1)) / np.sqrt(len(difference)) if len(difference) > 1 else float("nan"),
        )
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return Gain(value - reach, value, value + reach)


def _row_difference(task: Task, labels: Values, ours: Values, theirs: Values) -> Values:
    if task == "multiclass_classification":
        return _hits(labels, ours) - _hits(labels, theirs)
    scale = float(np.var(labels)) or float("nan")
    return ((labels - theirs) ** 2 - (labels - ours) ** 2) / scale


def _hits(labels: Values, predictions: Values) -> Values:
    return np.asarray(np.argmax(predictions, axis=1) == labels, np.float64)


def _delong(positive: NDArray[np.bool_], ours: Values, theirs: Values) -> tuple[float, float]:
    """Difference of two paired AUCs and its standard error (DeLong, DeLong and Clarke-Pearson 1988, by midranks)."""
    if positive.all() or not positive.any():
        return float("nan"), float("nan")
    of_positives, of_negatives = (
        a - b for a, b in zip(_placements(positive, ours), _placements(positive, theirs), strict=True)
    )
    if min(len(of_positives), len(of_negatives)) < 2:
        return float(np.mean(of_positives)), float("nan")
    variance = np.var(of_positives, ddof=1) / len(of_positives) + np.var(of_negatives, ddof=1) / len(of_negatives)
    return float(np.mean(of_positives)), float(np.sqrt(variance))


def _placements(positive: NDArray[np.bool_], scores: Values) -> tuple[Values, Values]:
    """Return for each positive row the share of negatives below it, and for each negative the share of positives above it."""
    high, low = np.sort(scores[positive]), np.sort(scores[~positive])
    of_positives = (
        np.searchsorted(low, scores[positive], "left") + np.searchsorted(low, scores[positive], "right")
    ) / (2 * len(low))
    of_negatives = 1 - (
        np.searchsorted(high, scores[~positive], "left") + np.searchsorted(high, scores[~positive], "right")
    ) / (2 * len(high))
    return of_positives, of_negatives
