"""Reads a split as serialized tf.Examples and as record batches at once."""

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
    """Some rows, as a model takes them and as columns."""

    serialized: tf.Tensor
    batch: pa.RecordBatch


class Splits:
    """The splits of an examples folder."""

    def __init__(self, folder: Path, schema: schema_pb2.Schema) -> None:
        self.schema = schema
        self._folder = folder
        self._spec = {
            f.name: tf.io.RaggedFeature(_TYPES[f.type], row_splits_dtype=tf.int64)
            for f in schema.feature
            if f.type in _TYPES
        }

    def blocks(self, split: str, batch_size: int) -> Iterator[Block]:
        """Yield a split after its files are verified; CorruptArtifact names one that is not what was written."""
        for records in self._records(split, batch_size):
            rows = tf.constant(records)
            yield Block(rows, self._decode(rows))

    def sample(self, split: str, size: int, seed: int) -> Block:
        """Draw rows of a split uniformly, in one pass and in their order."""
        random = np.random.default_rng(seed)
        kept: list[bytes] = []
        tickets = np.zeros(0)
        for records in self._records(split, size):
            kept, tickets = kept + records, np.concatenate([tickets, random.random(len(records))])
            if len(kept) > size:
                chosen = np.sort(np.argpartition(tickets, size)[:size])
                kept, tickets = [kept[row] for row in chosen], tickets[chosen]
        rows = tf.constant(kept)
        return Block(rows, self._decode(rows))

    def _records(self, split: str, batch_size: int) -> Iterator[list[bytes]]:
        for path in shards(self._folder, split):
            records = tfrecord.read_trusted(tfrecord.inflate(path))
            while block := list(islice(records, batch_size)):
                yield block

    def _decode(self, serialized: tf.Tensor) -> pa.RecordBatch:
        """Decode records as tfx_bsl's decoder does, on all cores; SchemaError for one that is not of the schema."""
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
