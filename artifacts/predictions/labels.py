"""Reads the label that a model was trained on, as numbers."""

from collections.abc import Sequence

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.evaluation.columns import Values, categories, numbers
from artifacts.predictions.split import Block
from core.errors import DataError
from core.problem import Task
from problems import kind


class LabelReader:
    """Reads labels as numbers: as they are, or as the index of the class that a word names."""

    def __init__(self, label: str, task: Task, classes: Sequence[str], width: int) -> None:
        self._label, self._has_classes, self._width = label, kind(task).has_classes, width
        self._classes = {name: index for index, name in enumerate(classes)}

    def __call__(self, block: Block) -> Values:
        """Return a label per row; DataError says which labels cannot be used."""
        batch = block.batch
        index = batch.schema.get_field_index(self._label)
        if index >= 0 and pa.types.is_large_binary(batch.schema.field(index).type.value_type):
            codes, values = categories(batch, self._label)
            table = np.array([*(self._classes.get(value, np.nan) for value in values), np.nan])
            labels = table[codes]
        else:
            labels = numbers(batch, self._label)
        wrong = ~np.isfinite(labels)
        if self._has_classes:
            wrong |= (labels != np.floor(labels)) | (labels < 0) | (labels >= self._width)
        if wrong.any():
            wanted = (
                f"a class from 0 to {self._width - 1}, or a name among {list(self._classes)}"
                if self._has_classes
                else "a number"
            )
            raise DataError(
                f"label {self._label!r}: wanted {wanted} in every row, got {wrong.sum()} of {len(labels)} rows without "
                f"(such as {labels[wrong][0]})"
            )
        return labels
