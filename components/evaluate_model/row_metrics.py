"""Metrics that TFMA does not have, computed over rows for all of the data and for every slice."""

import numpy as np

from components.evaluate_model.columns import Values
from core.problem import Task

BINS = 10
_SMALLEST = 1e-7
"""Keeps the logarithm of a probability finite, as Keras does."""


def row_metrics(task: Task, labels: Values, predictions: Values) -> dict[str, float]:
    """Compute the task's further metrics on some rows; NaN where one is not defined."""
    if task == "regression":
        errors = labels - predictions
        total = float(np.var(labels))
        squared = float(np.mean(errors**2))
        return {"root_mean_squared_error": squared**0.5, "r2": 1 - squared / total if total else float("nan")}
    if task == "multiclass_classification":
        chosen = predictions[np.arange(len(labels)), labels.astype(np.int64)].astype(np.float64)
        accuracy = float(np.mean(np.argmax(predictions, axis=1) == labels))
        return {"accuracy": accuracy, "log_loss": float(np.mean(-np.log(np.clip(chosen, _SMALLEST, 1))))}
    scores = predictions.astype(np.float64)
    clipped = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    return {
        "brier_score": float(np.mean((labels - scores) ** 2)),
        "calibration_error": calibration_error(labels, scores),
        "log_loss": float(np.mean(-np.where(labels > 0, np.log(clipped), np.log1p(-clipped)))),
    }


def calibration_error(labels: Values, scores: Values) -> float:
    """Expected calibration error: how far the mean score and the rate of positives lie apart in ten equal steps of the score."""
    bins = np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)
    gaps = np.abs(np.bincount(bins, scores - labels, minlength=BINS))
    return float(gaps.sum() / len(labels))
