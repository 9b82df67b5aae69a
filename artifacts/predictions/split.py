"""Reads a split both as serialized tf.Examples and as record batches."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import columns, shards
from artifacts.examples.batches import shard_records
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.predictions.placed_shard import placed
from artifacts.predictions.row_sample import priorities, smallest
from core.errors import CorruptArtifact, EmptyDataset, SchemaError
from core.object_stores import locations
from core.object_stores.locations import Location

Rows = NDArray[np.intp]
"""Indices of rows, ascending."""


class Block(NamedTuple):
    """A batch of rows in both forms."""

    serialized: tf.Tensor
    """[rows] of serialized tf.Examples."""
    batch: pa.RecordBatch
    """The same rows, each feature a column of lists."""


class Splits:
    """The splits of an examples folder."""

    def __init__(self, folder: Location, schema: schema_pb2.Schema) -> None:
        self.schema = schema
        self.folder = folder
        self._spec = {
            feature.name: tf.io.RaggedFeature(_TYPES[feature.type], row_splits_dtype=tf.int64)
            for feature in schema.feature
            if feature.type in _TYPES
        }
        self._types = {feature.name: _ARROW[feature.type] for feature in schema.feature if feature.type in _TYPES}

    def blocks(self, split: str, batch_size: int) -> Iterator[Block]:
        """Yield a split in blocks of at most `batch_size` rows.

        Raises CorruptArtifact for a file that differs from the manifest, SchemaError for a feature of another type.
        """
        for shard in ExamplesManifest.read(self.folder).of_split(split):
            yield from self.shard_blocks(shard, batch_size)

    def shard_blocks(self, shard: Shard, batch_size: int) -> Iterator[Block]:
        """Yield one shard in blocks of at most `batch_size` rows; raises as `blocks` does."""
        if shard.columns is None:
            for records in shard_records(self.folder, shard, batch_size):
                yield self.block(records)
            return
        with shards.columns(self.folder, shard) as path:
            batches = columns.read_evenly(path, self._types, batch_size)
            for records, batch in zip_longest(shard_records(self.folder, shard, batch_size), batches):
                if records is None or batch is None or len(records) != batch.num_rows:
                    raise self._uneven(shard, path)
                yield Block(tf.constant(records, tf.string), batch)

    def first(self, split: str) -> bytes:
        """Return the first row of a split, serialized; raises as `blocks` does, EmptyDataset when there is none."""
        for shard in ExamplesManifest.read(self.folder).of_split(split):
            for records in shard_records(self.folder, shard, 1):
                return records[0]
        raise EmptyDataset(f"{self.folder}: wanted rows in the split {split!r}, got none; widen ingest_examples.window")

    def block(self, records: Sequence[bytes]) -> Block:
        """Return serialized rows in both forms; SchemaError for a feature of another type."""
        rows = tf.constant(records, tf.string)
        return Block(rows, self._decode(rows))

    def sample(self, split: str, size: int, seed: int) -> Block:
        """Sample at most `size` rows of a split uniformly, in their order; raises as `blocks` does."""
        drawn = self._drawn(split, size, seed)
        return self.block([record for shard, rows in drawn for record in self.taken_records(shard, rows)])

    def sample_columns(self, split: str, size: int, seed: int) -> Block:
        """Return what `sample` does without the serialized rows, which costs much less where shards have columns."""
        return self.columns_of([self.taken(shard, rows) for shard, rows in self._drawn(split, size, seed)])

    def columns_of(self, parts: Sequence[pa.RecordBatch]) -> Block:
        """Return the rows of several batches as one block, without the serialized rows."""
        return Block(tf.constant([], tf.string), columns.joined(list(parts), pa.schema(self._types)))

    def taken(self, shard: Shard, rows: Rows) -> pa.RecordBatch:
        """Return some rows of a shard, in their order: from its columns if it has them; raises as `blocks` does."""
        if shard.columns is None:
            records = self.taken_records(shard, rows)
            return self.block(records).batch if records else pa.RecordBatch.from_pylist([], pa.schema(self._types))
        with shards.columns(self.folder, shard) as path:
            batch, count = columns.take(path, self._types, rows)
            if count != shard.records:
                raise self._uneven(shard, path)
            return batch

    def taken_records(self, shard: Shard, rows: Rows) -> list[bytes]:
        """Return some rows of a shard, serialized, in their order; raises as `blocks` does."""
        kept: list[bytes] = []
        before = 0
        for records in shard_records(self.folder, shard, _ROWS):
            first, last = np.searchsorted(rows, [before, before + len(records)])
            kept += [records[row] for row in rows[first:last] - before]
            before += len(records)
        return kept

    def _drawn(self, split: str, size: int, seed: int) -> Iterator[tuple[Shard, Rows]]:
        """Yield the shards of a split with the rows of each that are in the sample."""
        found = placed(ExamplesManifest.read(self.folder), split)
        drawn, rows = np.zeros(0), np.zeros(0, np.intp)
        for one in found:
            drawn = np.concatenate([drawn, priorities(seed, one.before, one.shard.records)])
            rows = np.concatenate([rows, one.before + np.arange(one.shard.records)])
            chosen = smallest(drawn, size)
            drawn, rows = drawn[chosen], rows[chosen]
        for one in found:
            first, last = np.searchsorted(rows, [one.before, one.before + one.shard.records])
            yield one.shard, rows[first:last] - one.before

    def _uneven(self, shard: Shard, path: Path) -> CorruptArtifact:
        """Say that a shard and its columns, which are at `path`, have other numbers of rows."""
        rows = columns.take(path, self._types, np.zeros(0, np.intp))[1]
        records = sum(map(len, shard_records(self.folder, shard, _ROWS)))
        return CorruptArtifact(
            f"{locations.join(self.folder, shard.name)}: wanted as many records as its columns have rows, {rows}, "
            f"got {records}; run ingest_examples again"
        )

    def _decode(self, serialized: tf.Tensor) -> pa.RecordBatch:
        """Decode records as tfx_bsl's decoder does, but on all cores."""
        try:
            parsed = tf.io.parse_example(serialized, self._spec)
        except tf.errors.InvalidArgumentError as error:
            raise SchemaError(f"{self.folder}: wanted features of the schema's types, got {error.message}") from error
        return pa.RecordBatch.from_arrays([_lists(parsed[name]) for name in self._spec], list(self._spec))


_ROWS = 8192
_ARROW = {
    schema_pb2.INT: pa.large_list(pa.int64()),
    schema_pb2.FLOAT: pa.large_list(pa.float32()),
    schema_pb2.BYTES: pa.large_list(pa.large_binary()),
}
_TYPES = {schema_pb2.INT: tf.int64, schema_pb2.FLOAT: tf.float32, schema_pb2.BYTES: tf.string}


def _lists(ragged: tf.RaggedTensor) -> pa.Array:
    kind = pa.large_binary() if ragged.dtype == tf.string else None
    return pa.LargeListArray.from_arrays(
        pa.array(ragged.row_splits.numpy()), pa.array(ragged.values.numpy(), type=kind)
    )
