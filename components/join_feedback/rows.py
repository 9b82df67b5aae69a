"""Writes joined rows as examples of the two windows, and as labeled spans that `ingest_examples` reads as a source."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from artifacts.examples import message, tfrecord
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.writer import Block, SpanWriter
from artifacts.schema.schema_file import SERVING

_BATCH = 8192
_LISTS = {schema_pb2.INT: "int64_list", schema_pb2.FLOAT: "float_list", schema_pb2.BYTES: "bytes_list"}


def write_windows(folder: Path, windows: Mapping[str, Iterable[bytes]], data: str) -> None:
    """Write the serialized rows of each window as a split of an examples folder, the manifest last.

    `data` identifies what they were read from. A window without rows has no split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[Shard] = []
    for span, (split, rows) in enumerate(windows.items()):
        with SpanWriter(folder, span, ((split, 100.0),)) as writer:
            for batch in _batches(rows):
                writer.write(Block(pa.array(batch, pa.binary()), None))
            shards += writer.finish()
    spans = tuple(range(len(windows)))
    manifest = ExamplesManifest(
        source="/prediction-log/{SPAN}",
        data=data,
        spans=spans,
        wanted_spans=len(spans),
        split_by="time",
        rejected=0,
        shards=tuple(shards),
    )
    manifest.write(folder)


class LabeledRows:
    """Writes raw features with their label."""

    def __init__(self, schema: schema_pb2.Schema, label: str) -> None:
        self._schema = schema_pb2.Schema()
        self._schema.CopyFrom(schema)
        for feature in [one for one in self._schema.feature if SERVING in one.not_in_environment and one.name != label]:
            self._schema.feature.remove(feature)  # no request has it
        self._label = next(one for one in self._schema.feature if one.name == label)

    def write(self, path: Path, rows: Iterable[tuple[bytes, Any]], format_: str) -> int:
        """Write (serialized features, label) as a file of a format, atomically; returns the number of rows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}")
        write = self._write_parquet if format_ == "parquet" else self._write_tfrecord
        count = write(staged, (self._labeled(example, label) for example, label in rows))
        staged.replace(path)
        return count

    def _labeled(self, example: bytes, label: Any) -> bytes:
        parsed = message.example_class().FromString(example)
        values = getattr(parsed.context.feature[self._label.name], _LISTS[self._label.type]).value
        values.append(label.encode() if isinstance(label, str) else label)
        content: bytes = parsed.SerializeToString(deterministic=True)
        return content

    def _write_tfrecord(self, path: Path, records: Iterable[bytes]) -> int:
        count = 0
        with path.open("wb") as stream:
            for batch in _batches(records):
                stream.write(b"".join(map(tfrecord.frame, batch)))
                count += len(batch)
        return count

    def _write_parquet(self, path: Path, records: Iterable[bytes]) -> int:
        decoder = ExamplesToRecordBatchDecoder(self._schema.SerializeToString())
        count = 0
        with ExitStack() as stack:
            writer: pq.ParquetWriter | None = None
            for batch in _batches(records):
                table = self._columns(decoder.DecodeBatch(batch))
                if writer is None:
                    writer = stack.enter_context(pq.ParquetWriter(path, table.schema, compression="zstd"))
                writer.write_table(table)
                count += len(batch)
        return count

    def _columns(self, batch: pa.RecordBatch) -> pa.Table:
        """Turn columns of lists into columns of values where the schema allows one value a row at most."""
        columns = {}
        for feature in self._schema.feature:
            column = batch.column(batch.schema.get_field_index(feature.name))
            columns[feature.name] = _values(column) if _is_single(feature) else column
        return pa.table(columns)


def _is_single(feature: schema_pb2.Feature) -> bool:
    dims = [dim.size for dim in feature.shape.dim]
    return dims in ([], [1]) if feature.HasField("shape") else bool(feature.value_count.max == 1)


def _values(column: pa.Array) -> pa.Array:
    """Return the value of each row, null where it has none."""
    return pa.array([row[0] if row else None for row in column.to_pylist()], column.type.value_type)


def _batches(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
