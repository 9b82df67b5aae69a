"""The skill of a single raw feature, computed from sums per cell so that no row is kept."""

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.evaluation.columns import Values
from components.evaluate_model.baselines import RateTable
from core.problem import Task
from problems import kind


class FeatureSkill:
    """The skill of one feature's rate table on rows that come in batches."""

    def __init__(self, task: Task, table: RateTable) -> None:
        self._kind, self._table = kind(task), table
        self.sums: Values | None = None
        """Sums per cell over the rows so far, [cells, columns]; None without rows."""

    def add(self, batch: pa.RecordBatch, targets: Values) -> None:
        """Add rows; `targets` is [rows], or one-hot [rows, classes]."""
        position = self._table.position(batch)
        cells = len(self._table.rates)
        columns = [np.bincount(position, column, minlength=cells) for column in self._kind.table_columns(targets)]
        sums: Values = np.stack(columns, axis=1).astype(np.float64)
        self.merge(sums)

    def merge(self, sums: Values | None) -> None:
        """Add the sums of other rows."""
        if sums is not None:
            self.sums = sums if self.sums is None else self.sums + sums

    def value(self) -> float:
        """Return the skill over all rows that were added; NaN when it is undefined."""
        return float("nan") if self.sums is None else self._kind.table_skill(self._table.rates, self.sums)
