"""Reads the label that a model was trained on, as numbers."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf

from artifacts.evaluation.columns import MISSING, Values, categories, numbers
from artifacts.model import graph_ops
from artifacts.model.label import LABEL_GRAPH, LABEL_OUTPUT
from artifacts.predictions.split import Block
from core.errors import CorruptArtifact, DataError
from problems import kind
from problems.labels import TrainedLabel, value_name


class LabelReader:
    """Reads labels as the numbers that a model was trained on.

    They are the raw values, the class of each raw value, or the output of the label's graph.
    """

    def __init__(self, label: TrainedLabel, width: int, model: Path) -> None:
        """Load the label's graph, if there is one; `width` is the number of classes, `model` the model's folder.

        Raises CorruptArtifact when a transformed label has no graph, ModelError for operations that reach out.
        """
        self._label, self.width = label, width
        self._has_classes = kind(label.task).has_classes
        self._values = dict(label.values) or {name: index for index, name in enumerate(label.classes)}
        self._graph = None
        if label.source == "transformed":
            if not (model / LABEL_GRAPH).is_dir():
                raise CorruptArtifact(
                    f"{model / LABEL_GRAPH}: wanted the graph of the label that the model was trained on, got none; "
                    "train again"
                )
            graph_ops.check_restored(model / LABEL_GRAPH)
            self._loaded = tf.saved_model.load(str(model / LABEL_GRAPH))
            self._graph = self._loaded.signatures["serving_default"]

    @property
    def reads_records(self) -> bool:
        """Whether labels come from the serialized rows of a block, and not from its columns."""
        return self._graph is not None

    def __call__(self, block: Block) -> Values:
        """Return the labels of a block, [rows]; DataError for missing labels or unknown classes."""
        if self._graph is not None:
            labels = np.asarray(self._graph(examples=block.serialized)[LABEL_OUTPUT].numpy(), np.float64)
            if len(labels) != block.batch.num_rows:
                raise DataError(
                    f"label {self._label.name!r}: wanted one a row, got {len(labels)} in {block.batch.num_rows} rows"
                )
        elif self._label.values or self._is_text(block.batch):
            labels = self._classes(block.batch)
        else:
            labels = numbers(block.batch, self._label.name)
        self._check(labels)
        return labels

    def _is_text(self, batch: pa.RecordBatch) -> bool:
        index = batch.schema.get_field_index(self._label.name)
        return index >= 0 and bool(pa.types.is_large_binary(batch.schema.field(index).type.value_type))

    def _classes(self, batch: pa.RecordBatch) -> Values:
        codes, values = categories(batch, self._label.name)
        if not self._values:
            raise DataError(
                f"label {self._label.name!r}: got text ({_listed(map(value_name, values))}), but the model "
                "does not say which class is which; set train_model.run_fn.label to the transformed feature "
                "that run_fn trains on"
            )
        table = np.array([*(self._values.get(value_name(value), np.nan) for value in values), np.nan])
        labels = table[codes]
        unknown = sorted(value_name(value) for value in values if value_name(value) not in self._values)
        if unknown:
            raise DataError(
                f"label {self._label.name!r}: wanted a class of the training ({_listed(self._values)}), got "
                f"{_listed(unknown)} in {int(np.isnan(labels[codes != MISSING]).sum())} of "
                f"{len(labels)} rows; train on a window with that class, or correct the data"
            )
        return labels

    def _check(self, labels: Values) -> None:
        wrong = ~np.isfinite(labels)
        if self._has_classes:
            wrong |= (labels != np.floor(labels)) | (labels < 0) | (labels >= self.width)
        if wrong.any():
            wanted = f"a class from 0 to {self.width - 1}" if self._has_classes else "a number"
            raise DataError(
                f"label {self._label.name!r}: wanted {wanted} in every row, got another value in {wrong.sum()} of "
                f"{len(labels)} rows (such as {labels[wrong][0]})"
            )


def _listed(names: Iterable[str]) -> str:
    """List at most ten names."""
    listed = list(names)
    return ", ".join(map(repr, listed[:10])) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")
