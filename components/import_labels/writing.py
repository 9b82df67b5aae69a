"""Writes examples with their imported labels; rows without any label are left out."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import Shard
from artifacts.examples.names import place_of
from artifacts.examples.writer import Block, SpanWriter
from artifacts.labels.reader import Value
from components.import_labels.config import Config
from components.import_labels.reading import Source, column
from core.errors import EmptyDataset

_TYPES = {schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float32(), schema_pb2.BYTES: pa.binary()}


def write(config: Config, source: Source, folder: Path, values: Mapping[str, Value]) -> None:
    """Write all splits, the manifest last; EmptyDataset for a split that would have no row.

    Rows of `splits` get the imported label in place of theirs; in other splits only rows without one do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = _TYPES[next(one.type for one in source.schema.feature if one.name == config.label)]
    shards: list[Shard] = []
    for shard in source.manifest.shards:
        with SpanWriter(folder, shard.span, ((shard.split, 100.0),), place_of(shard.name)) as writer:
            for batch in source.batches(shard):
                labels = _labels(batch, source.key.keys(batch), values, (config.label, kind))
                _write(writer, config, batch, labels if shard.split in config.splits else _kept(config, batch, labels))
            shards += writer.finish()
    empty = [split for split in source.manifest.splits() if split not in {shard.split for shard in shards}]
    if empty:
        raise EmptyDataset(
            f"wanted labeled rows in every split, got none in {', '.join(empty)}: label rows of the window, or import "
            "the labels of a process"
        )
    source.manifest.model_copy(update={"shards": tuple(shards)}).write(folder)


def _labels(
    batch: pa.RecordBatch, keys: list[str], values: Mapping[str, Value], label: tuple[str, pa.DataType]
) -> pa.Array:
    """Return the imported label of each row, else its own, else null, [rows]."""
    name, kind = label
    own = column(batch, name)
    before = [None] * len(keys) if own is None else own.to_pylist()
    found = [values.get(key, one) for key, one in zip(keys, before, strict=True)]
    return pa.array([one.encode() if isinstance(one, str) else one for one in found], kind)


def _kept(config: Config, batch: pa.RecordBatch, labels: pa.Array) -> pa.Array:
    """Return the labels that rows have, and the imported ones where they have none."""
    own = column(batch, config.label)
    return labels if own is None else pc.coalesce(own, labels)


def _write(writer: SpanWriter, config: Config, batch: pa.RecordBatch, labels: pa.Array) -> None:
    """Write the rows that have a label, with it."""
    columns = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
    columns[config.label] = labels
    rows = pa.RecordBatch.from_arrays(list(columns.values()), list(columns)).filter(labels.is_valid())
    if rows.num_rows:
        has_lists = any(pa.types.is_list(one) or pa.types.is_large_list(one) for one in rows.schema.types)
        writer.write(Block(encode(rows), None if has_lists else rows))
