"""Rows counted by their class and by what a model takes them for."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from problems.gains import Values
from problems.kind import Class


def classification_faults(labels: Values, scores: Values) -> Iterator[str]:
    """Say why finite scores of a classification cannot be measured: one class alone, or no probabilities."""
    if len(np.unique(labels)) < 2:
        yield f"all {len(labels)} labels of the eval split are of one class"
    if np.min(scores) < 0 or np.max(scores) > 1:
        yield f"predictions are from {np.min(scores):.4g} to {np.max(scores):.4g}: wanted probabilities"


def confusion(labels: Values, predicted: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Count rows, [true class, predicted class]."""
    cells = labels.astype(np.int64) * count + predicted.astype(np.int64)
    return np.bincount(cells, minlength=count * count).reshape(count, count)


def per_class(labels: Values, predicted: NDArray[Any], names: Sequence[str]) -> list[Class]:
    """Measure every class: of the rows taken for it how many are, and of its rows how many are found."""
    table = confusion(labels, predicted, len(names))
    rows, taken, right = table.sum(axis=1), table.sum(axis=0), table.diagonal()
    nothing = float("nan")
    return [
        Class(
            name,
            int(rows[at]),
            float(right[at] / taken[at]) if taken[at] else nothing,
            float(right[at] / rows[at]) if rows[at] else nothing,
            float(2 * right[at] / (rows[at] + taken[at])) if rows[at] else nothing,
        )
        for at, name in enumerate(names)
    ]


def shown_class(value: float, names: Sequence[str]) -> str:
    """Name a class, or give its number where it has no name."""
    return names[int(value)] if 0 <= int(value) < len(names) else f"{value:g}"
