"""Reads examples as Arrow record batches: from a shard's columns if it has them, else decoded from its records."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import columns, shards, tfrecord
from artifacts.examples.manifest import ExamplesManifest, Shard
from core.errors import CorruptArtifact, SchemaError
from core.object_stores import locations
from core.object_stores.locations import Location


def record_batches(
    folder: Location,
    split: str,
    schema: schema_pb2.Schema | None,
    batch_size: int = 8192,
    span: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the examples of a split as Arrow record batches of at most `batch_size` rows, every feature a list.

    With a schema, the batches have its features, in its order and types; without one, those of the records.
    Raises CorruptArtifact for files that differ from the manifest, SchemaError for a feature of another type,
    EmptyDataset when the manifest has no such split or span.
    """
    for shard in ExamplesManifest.read(folder).of_split(split, span):
        yield from shard_batches(folder, shard, schema, batch_size)


def shard_batches(
    folder: Location, shard: Shard, schema: schema_pb2.Schema | None, batch_size: int
) -> Iterator[pa.RecordBatch]:
    """Yield the examples of one shard as `record_batches` does; the folder may be in an object store."""
    if shard.columns is None:
        with shards.records(folder, shard) as path:
            yield from _counted(_decoded(path, schema, batch_size), folder, shard)
    else:
        with shards.columns(folder, shard) as path:
            types = None if schema is None else _arrow_types(schema)
            yield from _counted(columns.read(path, types, batch_size), folder, shard)


def shard_records(folder: Location, shard: Shard, batch_size: int) -> Iterator[list[bytes]]:
    """Yield the serialized examples of one shard in lists of at most `batch_size`."""
    with shards.records(folder, shard) as path:
        found = tfrecord.read_trusted(tfrecord.inflate(path))
        while block := list(islice(found, batch_size)):
            yield block


def _counted(batches: Iterator[pa.RecordBatch], folder: Location, shard: Shard) -> Iterator[pa.RecordBatch]:
    count = 0
    for batch in batches:
        count += batch.num_rows
        yield batch
    if count != shard.records:
        path = locations.join(locations.located(folder), shard.name)
        raise CorruptArtifact(f"{path}: wanted {shard.records} records, got {count}; run ingest_examples again")


def _decoder(schema: schema_pb2.Schema | None) -> Any:
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder  # noqa: PLC0415

    return ExamplesToRecordBatchDecoder(None if schema is None else schema.SerializeToString())


def _arrow_types(schema: schema_pb2.Schema) -> dict[str, pa.DataType]:
    """Return the Arrow type of each feature, in the schema's order."""
    return {field.name: field.type for field in _decoder(schema).ArrowSchema()}


def _decoded(path: Path, schema: schema_pb2.Schema | None, batch_size: int) -> Iterator[pa.RecordBatch]:
    decoder = _decoder(schema)
    records = tfrecord.read_trusted(tfrecord.inflate(path))
    while block := list(islice(records, batch_size)):
        try:
            yield decoder.DecodeBatch(block)
        except (RuntimeError, ValueError) as error:
            raise SchemaError(
                f"{path}: wanted features of the schema's types, got {error}; "
                "correct the source, or the type in the schema"
            ) from error
