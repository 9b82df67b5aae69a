"""Rows with probabilistic labels as rows to train on: one for each class, with the class's probability as its weight.

The sum of their losses is the expected loss under the probabilities, whatever the loss is, so a model needs no other
loss for soft labels than for plain ones.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import record_batches
from artifacts.labels import probabilities
from core.errors import CorruptArtifact

SMALLEST = 1e-3
"""A class that is less probable gets no row."""
Weights = NDArray[np.float32]


def training_batches(
    examples: Path, split: str, schema: schema_pb2.Schema, label: str, batch_size: int
) -> Iterator[tuple[pa.RecordBatch, Weights | None]]:
    """Yield the batches of a split with the weight of each row, [rows]; None where labels are plain.

    Weights have the mean 1 over the split. Raises CorruptArtifact when labels and examples do not belong together, and
    otherwise as `record_batches`.
    """
    found = probabilities.read(examples, split)
    batches = record_batches(examples, split, schema, batch_size)
    if found is None:
        for batch in batches:
            yield batch, None
        return
    classes, labels = found
    shares = _shares(labels)
    scale = np.count_nonzero(shares) / max(float(shares.sum()), 1e-12)
    start = 0
    for batch in batches:
        end = start + batch.num_rows
        own = shares[start:end]
        if len(own) != batch.num_rows:
            break
        row, number = np.nonzero(own)
        yield _with_label(batch, label, row, [classes[index] for index in number.tolist()]), own[row, number] * scale
        start = end
    if start != len(shares):
        raise CorruptArtifact(
            f"{examples}: wanted a label for each row of the split {split!r}, got {len(shares)} for other rows; "
            "run label_examples again"
        )


def training_rows(examples: Path | str, split: str) -> int | None:
    """Return how many rows `training_batches` yields for a split with probabilistic labels; None for a plain one."""
    found = probabilities.read(examples, split)
    return None if found is None else int(np.count_nonzero(_shares(found[1])))


def _shares(labels: probabilities.SplitLabels) -> Weights:
    """Return the weight of each class in each row, [rows, classes], 0 for a class that gets no row."""
    kept = np.where(labels.probabilities >= SMALLEST, labels.probabilities, 0)
    totals = np.maximum(kept.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(kept / totals * labels.weights[:, None], np.float32)


def _with_label(batch: pa.RecordBatch, label: str, rows: NDArray[np.int64], names: list[str]) -> pa.RecordBatch:
    """Take rows of a batch of lists, and replace their label."""
    chosen = pa.array(rows)
    columns = {name: batch.column(index).take(chosen) for index, name in enumerate(batch.schema.names)}
    kind = columns[label].type
    is_number = pa.types.is_integer(kind.value_type)
    values = [int(name) if is_number else name.encode() for name in names]
    offsets = pa.array(np.arange(len(names) + 1), pa.int64())
    columns[label] = pa.LargeListArray.from_arrays(offsets, pa.array(values, kind.value_type))
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
