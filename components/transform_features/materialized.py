"""Writes transformed examples, for modules that read them instead of transforming raw examples."""

from collections.abc import Iterable, Iterator
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

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.transform_graph.names import TRANSFORMED_EXAMPLES
from core import digest


def materialize(examples: Path, schema: schema_pb2.Schema, transform_graph: Path, batch_size: int) -> None:
    """Transform every split and span, and write it as gzipped TFRecords under the names of the raw shards."""
    folder = transform_graph / TRANSFORMED_EXAMPLES
    output = tft.TFTransformOutput(str(transform_graph))
    manifest = ExamplesManifest.read(examples)
    converter = _Converter(output, schema)
    shards = []
    for shard in manifest.shards:
        path = folder / shard.name
        path.parent.mkdir(parents=True, exist_ok=True)
        batches = record_batches(examples, shard.split, schema, batch_size, span=shard.span)
        _write(path, chain.from_iterable(map(converter.records, batches)))
        shards.append(
            Shard(
                name=shard.name, split=shard.split, span=shard.span, records=shard.records, sha256=digest.of_file(path)
            )
        )
    manifest.model_copy(update={"shards": tuple(shards)}).write(folder)


def _write(path: Path, records: Iterable[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


class _Converter:
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
        tensors = self._transform(self._adapter.ToBatchTensors(batch, produce_eager_tensors=True))
        yield from self._encoder.encode(self._to_arrow.convert(tensors))
