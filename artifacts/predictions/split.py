"""Reads a split both as serialized tf.Examples and as record batches."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import tfrecord
from artifacts.examples.shards import shards
from core.errors import SchemaError


class Block(NamedTuple):
    """A batch of rows in both forms."""

    serialized: tf.Tensor
    """[rows] of serialized tf.Examples."""
    batch: pa.RecordBatch
    """The same rows, each feature a column of lists."""


class Splits:
    """The splits of an examples folder."""

    def __init__(self, folder: Path, schema: schema_pb2.Schema) -> None:
        self.schema = schema
        self._folder = folder
        self._spec = {
            feature.name: tf.io.RaggedFeature(_TYPES[feature.type], row_splits_dtype=tf.int64)
            for feature in schema.feature
            if feature.type in _TYPES
        }

    def blocks(self, split: str, batch_size: int) -> Iterator[Block]:
        """Yield a split in blocks of at most `batch_size` rows.

        Raises CorruptArtifact for a file that differs from the manifest, SchemaError for a feature of another type.
        """
        for records in self._records(split, batch_size):
            rows = tf.constant(records)
            yield Block(rows, self._decode(rows))

    def sample(self, split: str, size: int, seed: int) -> Block:
        """Sample at most `size` rows of a split uniformly, in their order; raises as `blocks` does."""
        random = np.random.default_rng(seed)
        kept: list[bytes] = []
        priorities = np.zeros(0)
        for records in self._records(split, size):
            kept, priorities = kept + records, np.concatenate([priorities, random.random(len(records))])
            if len(kept) > size:
                chosen = np.sort(np.argpartition(priorities, size)[:size])
                kept, priorities = [kept[row] for row in chosen], priorities[chosen]
        rows = tf.constant(kept)
        return Block(rows, self._decode(rows))

    def _records(self, split: str, batch_size: int) -> Iterator[list[bytes]]:
        for path in shards(self._folder, split):
            records = tfrecord.read_trusted(tfrecord.inflate(path))
            while block := list(islice(records, batch_size)):
                yield block

    def _decode(self, serialized: tf.Tensor) -> pa.RecordBatch:
        """Decode records as tfx_bsl's decoder does, but on all cores."""
        try:
            parsed = tf.io.parse_example(serialized, self._spec)
        except tf.errors.InvalidArgumentError as error:
            raise SchemaError(f"{self._folder}: wanted features of the schema's types, got {error.message}") from error
        return pa.RecordBatch.from_arrays([_lists(parsed[name]) for name in self._spec], list(self._spec))


_TYPES = {schema_pb2.INT: tf.int64, schema_pb2.FLOAT: tf.float32, schema_pb2.BYTES: tf.string}


def _lists(ragged: tf.RaggedTensor) -> pa.Array:
    kind = pa.large_binary() if ragged.dtype == tf.string else None
    return pa.LargeListArray.from_arrays(
        pa.array(ragged.row_splits.numpy()), pa.array(ragged.values.numpy(), type=kind)
    )
