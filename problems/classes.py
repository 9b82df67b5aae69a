"""Confusion matrix and metrics per class."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from problems.gains import Values
from problems.kind import Class


def classification_faults(labels: Values, scores: Values) -> Iterator[str]:
    """Yield why the finite scores of a classification cannot be evaluated: a single class, or no probabilities."""
    if np.min(labels) == np.max(labels):
        yield f"all {len(labels)} labels of the eval split are of one class"
    if np.min(scores) < 0 or np.max(scores) > 1:
        yield f"predictions are from {np.min(scores):.4g} to {np.max(scores):.4g}: wanted probabilities"


def confusion(labels: Values, predicted: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Count rows, [true class, predicted class]."""
    cells = labels.astype(np.int64) * count + predicted.astype(np.int64)
    return np.bincount(cells, minlength=count * count).reshape(count, count)


def per_class(labels: Values, predicted: NDArray[Any], names: Sequence[str]) -> list[Class]:
    """Return rows, precision, recall and F1 of every class; `labels` and `predicted` are classes, [rows]."""
    table = confusion(labels, predicted, len(names))
    nan = float("nan")
    metrics = []
    for name, rows, predicted_rows, correct in zip(
        names, table.sum(axis=1), table.sum(axis=0), table.diagonal(), strict=True
    ):
        precision = float(correct / predicted_rows) if predicted_rows else nan
        recall = float(correct / rows) if rows else nan
        f1 = float(2 * correct / (rows + predicted_rows)) if rows else nan
        metrics.append(Class(name, int(rows), precision, recall, f1))
    return metrics


def shown_class(value: float, names: Sequence[str]) -> str:
    """Return the name of a class, or its number when it has no name."""
    return names[int(value)] if 0 <= int(value) < len(names) else f"{value:g}"
