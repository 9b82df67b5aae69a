"""Reads what labels are checked against: the key of each row, its split, its features' digest and its time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import EVAL
from artifacts.examples.plain import plain_batches
from artifacts.labels.row_key import RowKey
from components.import_labels.config import Config
from core.errors import DataError

BATCH_ROWS = 8192


@dataclass(frozen=True)
class Source:
    """Examples whose rows have keys."""

    folder: Path
    manifest: ExamplesManifest
    key: RowKey
    schema: schema_pb2.Schema

    @classmethod
    def of(cls, folder: Path, schema: schema_pb2.Schema, config: Config) -> "Source":
        """Open an examples folder; CorruptArtifact when it is damaged."""
        return cls(folder, ExamplesManifest.read(folder), RowKey.of(schema, config.key), schema)

    def batches(self, shard: Shard) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a shard as plain columns."""
        return plain_batches(self.folder, shard, BATCH_ROWS)


@dataclass
class KnownRows:
    """The rows of all splits."""

    split: dict[str, str] = field(default_factory=dict)
    """Key -> split, `eval` where equal rows are in several."""
    features: dict[str, str] = field(default_factory=dict)
    """Key -> digest of the features; empty where that is the key."""
    time_us: dict[str, int] = field(default_factory=dict)
    """Key -> when the row came to be, in microseconds since 1970, where a feature has it."""
    source_label: dict[str, Any] = field(default_factory=dict)
    """Key -> the label in the source."""


def known_rows(source: Source, config: Config) -> KnownRows:
    """Read the keys of all rows; DataError for a row without its time."""
    found = KnownRows()
    for shard in source.manifest.shards:
        for batch in source.batches(shard):
            _add(found, batch, shard.split, source, config)
    return found


def _add(found: KnownRows, batch: pa.RecordBatch, split: str, source: Source, config: Config) -> None:
    keys = source.key.keys(batch)
    found.split.update((key, split) for key in keys if found.split.get(key) != EVAL)
    if config.key:
        found.features.update(zip(keys, RowKey.of(source.schema).keys(batch), strict=True))
    if config.row_time is not None:
        found.time_us.update(zip(keys, _times(batch, config.row_time), strict=True))
    labels = column(batch, config.label)
    if labels is not None:
        values = labels.to_pylist()
        found.source_label.update((key, one) for key, one in zip(keys, values, strict=True) if one is not None)


def column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """Return a column; None where the batch lacks it."""
    index = batch.schema.get_field_index(name)
    return None if index < 0 else batch.column(index)


def _times(batch: pa.RecordBatch, name: str) -> list[int]:
    values = column(batch, name)
    if values is None or values.null_count:
        raise DataError(
            f"import_labels.row_time: wanted a time of every row in {name!r}, got rows without; "
            "correct the source, or leave row_time out"
        )
    return [round(one * 1_000_000) for one in values.to_pylist()]
