"""Rows with probabilistic labels as rows to train on: one for each class, with the class's probability as its weight.

The sum of their losses is the expected loss under the probabilities, whatever the loss is, so a model needs no other
loss for soft labels than for plain ones.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.labels import probabilities
from core.errors import CorruptArtifact

SMALLEST = 1e-3
"""A class that is less probable gets no row."""
Weights = NDArray[np.float32]


class Portion(NamedTuple):
    """Rows of a split: all of them, or those of some spans."""

    split: str
    spans: tuple[int, ...] | None = None

    def batches(self, examples: Path, schema: schema_pb2.Schema, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows; errors as `record_batches`."""
        for span in (None,) if self.spans is None else self.spans:
            yield from record_batches(examples, self.split, schema, batch_size, span)

    def positions(self, examples: Path | str) -> NDArray[np.int64]:
        """Return the places of the rows in their split, [rows], in the order of `batches`."""
        starts, start = [], 0
        for shard in ExamplesManifest.read(examples).of_split(self.split):
            starts.append((shard.span, np.arange(start, start + shard.records)))
            start += shard.records
        spans = (None,) if self.spans is None else self.spans
        parts = [places for span in spans for own, places in starts if span in (None, own)]
        return np.concatenate([np.zeros(0, np.int64), *parts])


def training_batches(
    examples: Path, portion: Portion, schema: schema_pb2.Schema, label: str, batch_size: int
) -> Iterator[tuple[pa.RecordBatch, Weights | None]]:
    """Yield the batches of a portion with the weight of each row, [rows]; None where labels are plain.

    Weights have the mean 1 over the portion. Raises CorruptArtifact when labels and examples do not belong together,
    and otherwise as `record_batches`.
    """
    batches = portion.batches(examples, schema, batch_size)
    found = _portion_shares(examples, portion)
    if found is None:
        for batch in batches:
            yield batch, None
        return
    classes, shares = found
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
            f"{examples}: wanted a label for each row of the split {portion.split!r}, "
            f"got {len(shares)} for other rows; run label_examples again"
        )


def training_rows(examples: Path | str, portion: Portion) -> int:
    """Return how many rows `training_batches` yields."""
    found = _portion_shares(Path(examples), portion)
    return len(portion.positions(examples)) if found is None else int(np.count_nonzero(found[1]))


def _portion_shares(examples: Path, portion: Portion) -> tuple[Sequence[str], Weights] | None:
    """Return the classes, and the weight of each class in each row of a portion; None where labels are plain.

    All rows of labels are returned for a whole split, so that those of other examples are found out.
    """
    found = probabilities.read(examples, portion.split)
    if found is None:
        return None
    classes, labels = found
    shares = _shares(labels)
    if portion.spans is None:
        return classes, shares
    positions = portion.positions(examples)
    return classes, shares[positions[positions < len(shares)]]


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
