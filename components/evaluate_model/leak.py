"""How much of the label a single raw feature gives away, summed over cells so that no row is kept."""

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from components.evaluate_model.baselines import RateTable
from components.evaluate_model.columns import Values
from core.problem import Task


class FeatureSkill:
    """The skill of one feature's rate table on rows that come in batches."""

    def __init__(self, task: Task, table: RateTable) -> None:
        self._task, self._table = task, table
        self._sums: Values | None = None

    def add(self, batch: pa.RecordBatch, targets: Values) -> None:
        """Add rows; `targets` is [rows], or one-hot [rows, classes]."""
        position = self._table.position(batch)
        columns = list(targets.T) if targets.ndim == 2 else [np.ones(len(targets)), targets, targets**2]
        sums: Values = np.stack(
            [np.bincount(position, column, minlength=len(self._table.rates)) for column in columns], axis=1
        ).astype(np.float64)
        self._sums = sums if self._sums is None else self._sums + sums

    def value(self) -> float:
        """Return AUC, accuracy or R2 over all rows that were added; NaN where it is not defined."""
        if self._sums is None:
            return float("nan")
        if self._task == "multiclass_classification":
            chosen = np.argmax(self._table.rates, axis=1)
            return float(self._sums[np.arange(len(chosen)), chosen].sum() / self._sums.sum())
        rows, total, squares = self._sums.T
        return (
            _auc(self._table.rates, total, rows - total)
            if self._task == "binary_classification"
            else _r2(self._table.rates, rows, total, squares)
        )


def _auc(rates: Values, positives: Values, negatives: Values) -> float:
    """ROC AUC of scores that are shared by many rows; NaN for one class."""
    _, group = np.unique(rates, return_inverse=True)
    high, low = np.bincount(group, positives), np.bincount(group, negatives)
    if not high.sum() or not low.sum():
        return float("nan")
    below = np.cumsum(low) - low
    return float((high * (below + low / 2)).sum() / (high.sum() * low.sum()))


def _r2(rates: Values, rows: Values, total: Values, squares: Values) -> float:
    spread = squares.sum() - total.sum() ** 2 / rows.sum()
    error = (squares - 2 * rates * total + rates**2 * rows).sum()
    return float(1 - error / spread) if spread > 0 else float("nan")
