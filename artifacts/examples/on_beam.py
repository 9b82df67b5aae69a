"""Reads examples in Beam: workers read shards in parallel, each verifying what it reads."""

from collections.abc import Iterator

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import Shard
from core.object_stores.locations import Location


class ReadBatches(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Yields (shard, record batch) for a shard; raises as `record_batches` does."""

    def __init__(self, folder: Location, schema: schema_pb2.Schema | None, batch_rows: int) -> None:
        self._folder = folder
        self._schema = None if schema is None else schema.SerializeToString()
        self._batch_rows = batch_rows

    def process(self, shard: Shard) -> Iterator[tuple[Shard, pa.RecordBatch]]:
        """Read one shard."""
        schema = None if self._schema is None else schema_pb2.Schema.FromString(self._schema)
        for batch in shard_batches(self._folder, shard, schema, self._batch_rows):
            yield shard, batch
