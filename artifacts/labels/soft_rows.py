"""Rows with probabilistic labels as rows to train on: one for each class, with the class's probability as its weight.

The sum of their losses is the expected loss under the probabilities, whatever the loss is, so a model needs no other
loss for soft labels than for plain ones.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import shard_batches
from artifacts.examples.division import Part
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.labels import probabilities
from core.errors import CorruptArtifact
from core.object_stores.locations import Location

SMALLEST = 1e-3
"""A class that is less probable gets no row."""
Weights = NDArray[np.float32]


class Portion(NamedTuple):
    """Rows of a split: all of them, or those of some spans, or a part of these."""

    split: str
    spans: tuple[int, ...] | None = None
    part: Part | None = None

    @property
    def whole(self) -> "Portion":
        """The same rows with those of the other parts."""
        return self._replace(part=None)

    def shards(self, examples: Location) -> tuple[Shard, ...]:
        """Return the shards with the rows; EmptyDataset where the manifest has no such split or span."""
        manifest = ExamplesManifest.read(examples)
        spans = (None,) if self.spans is None else self.spans
        found = tuple(shard for span in spans for shard in manifest.of_split(self.split, span))
        return found if self.part is None else self.part.select(found)

    def batches(self, examples: Location, schema: schema_pb2.Schema, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows; errors as `record_batches`."""
        for shard in self.shards(examples):
            yield from shard_batches(examples, shard, schema, batch_size)

    def positions(self, examples: Location) -> NDArray[np.int64]:
        """Return the places of the rows in their split, [rows], in the order of `batches`."""
        starts, start = {}, 0
        for shard in ExamplesManifest.read(examples).of_split(self.split):
            starts[shard.name] = start
            start += shard.records
        parts = [np.arange(shard.records) + starts[shard.name] for shard in self.shards(examples)]
        return np.concatenate([np.zeros(0, np.int64), *parts])


def training_batches(
    examples: Location, portion: Portion, schema: schema_pb2.Schema, label: str, batch_size: int
) -> Iterator[tuple[pa.RecordBatch, Weights | None]]:
    """Yield the batches of a portion with the weight of each row, [rows]; None where labels are plain.

    Weights have the mean 1 over the whole portion. Raises CorruptArtifact when labels and examples do not belong
    together, and otherwise as `record_batches`.
    """
    batches = portion.batches(examples, schema, batch_size)
    found = _portion_shares(examples, portion)
    if found is None:
        for batch in batches:
            yield batch, None
        return
    classes, shares = found
    of_all = shares if portion.part is None else (_portion_shares(examples, portion.whole) or found)[1]
    scale = np.count_nonzero(of_all) / max(float(of_all.sum()), 1e-12)
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


def training_rows(examples: Location, portion: Portion) -> int:
    """Return how many rows `training_batches` yields."""
    found = _portion_shares(examples, portion)
    if found is None:
        return sum(shard.records for shard in portion.shards(examples))
    return int(np.count_nonzero(found[1]))


def _portion_shares(examples: Location, portion: Portion) -> tuple[Sequence[str], Weights] | None:
    """Return the classes, and the weight of each class in each row of a portion; None where labels are plain.

    All rows of labels are returned for a whole split, so that those of other examples are found out.
    """
    found = probabilities.read(examples, portion.split)
    if found is None:
        return None
    classes, labels = found
    shares = _shares(labels)
    if portion.spans is None and portion.part is None:
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
