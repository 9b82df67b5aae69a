"""Reads a split both as serialized tf.Examples and as record batches."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import shard_records
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.predictions.row_sample import priorities, smallest
from core.errors import EmptyDataset, SchemaError
from core.object_stores.locations import Location


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

    def blocks(self, split: str, batch_size: int) -> Iterator[Block]:
        """Yield a split in blocks of at most `batch_size` rows.

        Raises CorruptArtifact for a file that differs from the manifest, SchemaError for a feature of another type.
        """
        for shard in ExamplesManifest.read(self.folder).of_split(split):
            yield from self.shard_blocks(shard, batch_size)

    def shard_blocks(self, shard: Shard, batch_size: int) -> Iterator[Block]:
        """Yield one shard in blocks of at most `batch_size` rows; raises as `blocks` does."""
        for records in shard_records(self.folder, shard, batch_size):
            yield self.block(records)

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
        kept: list[bytes] = []
        drawn, before = np.zeros(0), 0
        for shard in ExamplesManifest.read(self.folder).of_split(split):
            for records in shard_records(self.folder, shard, size):
                kept, drawn = kept + records, np.concatenate([drawn, priorities(seed, before, len(records))])
                before += len(records)
                chosen = smallest(drawn, size)
                kept, drawn = [kept[row] for row in chosen], drawn[chosen]
        return self.block(kept)

    def _decode(self, serialized: tf.Tensor) -> pa.RecordBatch:
        """Decode records as tfx_bsl's decoder does, but on all cores."""
        try:
            parsed = tf.io.parse_example(serialized, self._spec)
        except tf.errors.InvalidArgumentError as error:
            raise SchemaError(f"{self.folder}: wanted features of the schema's types, got {error.message}") from error
        return pa.RecordBatch.from_arrays([_lists(parsed[name]) for name in self._spec], list(self._spec))


_TYPES = {schema_pb2.INT: tf.int64, schema_pb2.FLOAT: tf.float32, schema_pb2.BYTES: tf.string}


def _lists(ragged: tf.RaggedTensor) -> pa.Array:
    kind = pa.large_binary() if ragged.dtype == tf.string else None
    return pa.LargeListArray.from_arrays(
        pa.array(ragged.row_splits.numpy()), pa.array(ragged.values.numpy(), type=kind)
    )
