"""What an analysis reads; workers of Beam get it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import Shard
from components.transform_features.preprocessing import ImportedPreprocessing
from core.object_stores.locations import Location


class Analysis(NamedTuple):
    """The rows of an analysis, and how they are read."""

    preprocessing: ImportedPreprocessing
    folder: Location
    """The examples."""
    shards: Sequence[Shard]
    schema: schema_pb2.Schema
    adapter: TensorAdapterConfig
    batch_rows: int

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read all shards."""
        for shard in self.shards:
            yield from self.batches_of(shard)

    def batches_of(self, shard: Shard) -> Iterator[pa.RecordBatch]:
        """Read one shard."""
        return shard_batches(self.folder, shard, self.schema, self.batch_rows)
