"""Reads the label that a model was trained on, as numbers."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf

from artifacts.evaluation.columns import MISSING, Values, categories, numbers
from artifacts.model.label import LABEL_GRAPH, LABEL_OUTPUT
from artifacts.predictions.split import Block
from core.errors import CorruptArtifact, DataError
from problems import kind
from problems.labels import TrainedLabel, value_name


class LabelReader:
    """Reads labels as the numbers that a model was trained on.

    They are the raw values themselves, the class of each raw value, or what the label's graph makes of the whole row.
    """

    def __init__(self, label: TrainedLabel, width: int, model: Path) -> None:
        """Take the label's facts, how many classes the model has, and its folder, where the label's graph lies."""
        self._label, self._width = label, width
        self._has_classes = kind(label.task).has_classes
        self._values = dict(label.values) or {name: index for index, name in enumerate(label.classes)}
        self._graph = None
        if label.source == "transformed":
            if not (model / LABEL_GRAPH).is_dir():
                raise CorruptArtifact(
                    f"{model / LABEL_GRAPH}: wanted the graph of the label that the model was trained on, got none; "
                    "train again"
                )
            self._loaded = tf.saved_model.load(str(model / LABEL_GRAPH))
            self._graph = self._loaded.signatures["serving_default"]

    def __call__(self, block: Block) -> Values:
        """Return a label per row, [rows]; DataError says which labels cannot be used."""
        if self._graph is not None:
            labels = np.asarray(self._graph(examples=block.serialized)[LABEL_OUTPUT].numpy(), np.float64)
            if len(labels) != block.batch.num_rows:
                raise DataError(
                    f"label {self._label.name!r}: wanted one a row, got {len(labels)} in {block.batch.num_rows} rows"
                )
        elif self._label.values or self._is_text(block.batch):
            labels = self._looked_up(block.batch)
        else:
            labels = numbers(block.batch, self._label.name)
        self._check(labels)
        return labels

    def _is_text(self, batch: pa.RecordBatch) -> bool:
        index = batch.schema.get_field_index(self._label.name)
        return index >= 0 and bool(pa.types.is_large_binary(batch.schema.field(index).type.value_type))

    def _looked_up(self, batch: pa.RecordBatch) -> Values:
        codes, values = categories(batch, self._label.name)
        if not self._values:
            raise DataError(
                f"label {self._label.name!r}: got text ({_some(map(value_name, values))}), and the model does not say "
                "which class is which; write the transformed feature that run_fn trains on into "
                "train_model.run_fn.label"
            )
        table = np.array([*(self._values.get(value_name(value), np.nan) for value in values), np.nan])
        labels = table[codes]
        unknown = sorted(value_name(value) for value in values if value_name(value) not in self._values)
        if unknown:
            raise DataError(
                f"label {self._label.name!r}: wanted one of {_some(self._values)}, as the model was trained, got "
                f"{_some(unknown)} in {int(np.isnan(labels[codes != MISSING]).sum())} of "
                f"{len(labels)} rows; train on a window that has it, or correct the data"
            )
        return labels

    def _check(self, labels: Values) -> None:
        wrong = ~np.isfinite(labels)
        if self._has_classes:
            wrong |= (labels != np.floor(labels)) | (labels < 0) | (labels >= self._width)
        if wrong.any():
            wanted = f"a class from 0 to {self._width - 1}" if self._has_classes else "a number"
            raise DataError(
                f"label {self._label.name!r}: wanted {wanted} in every row, got {wrong.sum()} of {len(labels)} rows "
                f"without (such as {labels[wrong][0]})"
            )


def _some(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(map(repr, found[:10])) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
