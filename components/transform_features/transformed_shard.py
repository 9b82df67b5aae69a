"""Transforms one shard of examples; what the step and workers of Beam share."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
from tfx_bsl.tfxio.tensor_to_arrow import TensorsToRecordBatchConverter
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from artifacts.examples.batches import shard_batches
from artifacts.examples.manifest import Shard
from core.object_stores import locations


@dataclass(frozen=True)
class Job:
    """What transforming one shard needs; workers of Beam get it."""

    examples: str
    transform_graph: str
    target: str
    """Location of the folder of transformed examples."""
    schema: bytes
    batch_size: int

    def converter(self) -> "Converter":
        """Load the graph, or a copy of it: TensorFlow has no S3."""
        schema = schema_pb2.Schema.FromString(self.schema)
        graph = locations.located(self.transform_graph)
        if not isinstance(graph, str):
            return Converter(tft.TFTransformOutput(str(graph)), schema)
        with tempfile.TemporaryDirectory(prefix="mlops-graph-") as folder:
            locations.copy_here(graph, Path(folder))
            return Converter(tft.TFTransformOutput(folder), schema)

    def write(self, shard: Shard, converter: "Converter") -> Shard:
        """Transform and write one shard; return the entry of the new manifest."""
        place = locations.join(locations.located(self.target), shard.name)
        schema = schema_pb2.Schema.FromString(self.schema)
        batches = shard_batches(locations.located(self.examples), shard, schema, self.batch_size)
        with locations.scratch(locations.located(self.target)) as folder:
            path = folder / "shard.gz"
            _write(path, chain.from_iterable(map(converter.records, batches)))
            sha256 = locations.publish(path, place)
        return Shard(name=shard.name, split=shard.split, span=shard.span, records=shard.records, sha256=sha256)


def _write(path: Path, records: Iterable[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


class Converter:
    """Converts raw record batches to serialized tf.Examples of transformed features."""

    def __init__(self, output: tft.TFTransformOutput, schema: schema_pb2.Schema) -> None:
        self._transform = output.transform_features_layer()
        raw = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema)
        self._adapter = TensorAdapter(raw.TensorAdapterConfig())
        self._to_arrow = TensorsToRecordBatchConverter(
            impl_helper.get_type_specs_from_feature_specs(output.transformed_feature_spec())
        )
        self._encoder = RecordBatchToExamplesEncoder(output.transformed_metadata.schema)

    def records(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """Transform a batch of raw rows, and yield it as serialized examples."""
        tensors = self._transform(self._adapter.ToBatchTensors(batch, produce_eager_tensors=True))
        yield from self._encoder.encode(self._to_arrow.convert(tensors))
