"""Reads Parquet files batch by batch.

Columns keep the file's types, so that the data gate reports one that changed; but integers are read as FLOAT if the
schema says so, because a column is often written as integers when no value of it is missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types as kinds

from artifacts.spans.files import SourceFile, open_regular
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from artifacts.spans.timestamps import check_names, seconds
from core.errors import CorruptArtifact, DataError, EmptyDataset


def read(file: SourceFile, options: ReadOptions, _: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows as columns of int64, float32 and binary values, or lists of them.

    Raises EmptyDataset for a file without rows, CorruptArtifact for one that cannot be read, and DataError with column
    and row for a type that no feature can have, and for a null inside a list.
    """
    count = 0
    groups = file.row_groups
    with open_regular(file.path) as stream:
        if not stream.read(1):
            raise EmptyDataset(
                f"{file.path}: wanted a Parquet file, got 0 bytes; write the span again, or leave it out"
            )
        stream.seek(0)
        try:
            source = pq.ParquetFile(stream)
            if groups:
                count = sum(source.metadata.row_group(number).num_rows for number in range(groups[0]))
            for batch in source.iter_batches(options.batch_rows, row_groups=None if groups is None else list(groups)):
                yield _Columns(options, f"{file.path}", count).convert(batch)
                count += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise CorruptArtifact(
                f"{file.path}: wanted an intact Parquet file, got one that cannot be read after row {count}: {error}"
            ) from error
    if count == 0:
        raise EmptyDataset(f"{file.path}: wanted at least one row, got none; write the span again, or leave it out")


def group_bytes(file: SourceFile) -> list[int]:
    """Return the compressed bytes of a file's row groups; CorruptArtifact for a file that cannot be read."""
    with open_regular(file.path) as stream:
        try:
            metadata = pq.ParquetFile(stream).metadata
        except (pa.ArrowException, OSError) as error:
            raise CorruptArtifact(f"{file.path}: wanted a Parquet file, got something else: {error}") from error
        return [_bytes_of(metadata.row_group(number)) for number in range(metadata.num_row_groups)]


def _bytes_of(group: Any) -> int:
    return sum(group.column(number).total_compressed_size for number in range(group.num_columns))


def kinds_of(file: SourceFile) -> dict[str, pa.DataType]:
    """Return the Arrow types of a file's columns by name; CorruptArtifact for a file that cannot be read."""
    with open_regular(file.path) as stream:
        try:
            schema = pq.ParquetFile(stream).schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise CorruptArtifact(f"{file.path}: wanted a Parquet file, got something else: {error}") from error
    return dict(zip(schema.names, schema.types, strict=True))


@dataclass(frozen=True)
class _Columns:
    """Converts the columns of a batch; rows are numbered from 1, over the whole file."""

    options: ReadOptions
    path: str
    rows_before: int

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names = batch.schema.names
        if len(set(names)) < len(names):
            repeated = sorted({name for name in names if names.count(name) > 1})
            raise DataError(
                f"{self.path}: wanted columns without repeats, got {', '.join(repeated)} twice; rename or drop one"
            )
        columns: dict[str, pa.Array] = {}
        for name, column in zip(names, batch.columns, strict=True):
            if name in self.options.leave_out or kinds.is_null(column.type):
                continue  # no example has a feature without values
            found = self._features(name, column)
            check_names(columns, found, self.path)
            columns |= found
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def _features(self, name: str, column: pa.Array) -> dict[str, pa.Array]:
        wanted = self.options.types.get(name)
        timestamp = self.options.timestamps.get(name)
        try:
            if timestamp is not None:
                return timestamp.features(name, seconds(name, _plain(column), timestamp))
            return {name: self._feature(name, _plain(column))}
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(
                f"{self.path}: column {name!r}: wanted {wanted.name if wanted else 'a feature'}, got {column.type} "
                f"in rows {self.rows_before + 1} to {self.rows_before + len(column)}: {error}"
            ) from error

    def _feature(self, name: str, column: pa.Array) -> pa.Array:
        """Convert a column to one of the types of tf.Example."""
        kind, wanted = column.type, self.options.types.get(name)
        if kinds.is_list(kind) or kinds.is_large_list(kind):
            return self._lists(name, column)
        if wanted is not None and wanted.name == "FLOAT" and kinds.is_integer(kind):
            return pc.cast(
                column, pa.float32(), safe=False
            )  # a column without missing values is often written as integers
        if (wanted is None or wanted.name == "BYTES") and kinds.is_temporal(kind):
            # Read as text unless schema or configuration say otherwise.
            texts = [None if value is None else str(value) for value in column.to_pylist()]
            return pc.cast(pa.array(texts, pa.string()), pa.binary())
        return pc.cast(column, _target(kind))

    def _lists(self, name: str, column: pa.Array) -> pa.Array:
        """Convert lists of values; an example cannot have a null inside a list."""
        if kinds.is_nested(column.type.value_type):
            raise TypeError(_NESTED)
        values = column.flatten()
        if values.null_count:
            lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
            row = np.repeat(np.arange(len(column)), lengths)
            valid = values.is_valid().to_numpy(zero_copy_only=False)
            if self.options.nulls_in_lists == "error":
                raise DataError(
                    f"{self.path}: column {name!r}: row {self.rows_before + int(row[~valid][0]) + 1}: wanted a value, "
                    "got a null inside a list; write the list without it, or set "
                    "ingest_examples.nulls_in_lists: leave_out"
                )
            counts = np.bincount(row[valid], minlength=len(column))
            offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
            missing = np.append(column.is_null().to_numpy(zero_copy_only=False), False)
            column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=missing), values.drop_null())
        return pc.cast(column, pa.list_(_target(column.type.value_type)))


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without dictionary encoding, and with fixed-size lists as lists."""
    if kinds.is_dictionary(column.type):
        return column.dictionary_decode()
    if kinds.is_fixed_size_list(column.type):
        width, value_type = column.type.list_size, column.type.value_type
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        offsets = np.concatenate(([0], np.cumsum(valid * width))).astype(np.int32)
        mask = np.append(~valid, False)
        flat = column.filter(pa.array(valid)).flatten()
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32(), mask=mask), pc.cast(flat, value_type))
    return column


_NESTED = "a value of an example is a number or bytes, or a list of those; flatten the column where the span is written"


def _target(kind: pa.DataType) -> pa.DataType:
    if kinds.is_integer(kind) or kinds.is_boolean(kind):
        return pa.int64()
    if kinds.is_floating(kind) or kinds.is_decimal(kind):
        return pa.float32()
    if (
        kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_fixed_size_binary(kind)
    ):
        return pa.binary()
    if kinds.is_nested(kind):
        raise TypeError(_NESTED)
    if kinds.is_temporal(kind):
        raise TypeError(
            "a time is not a feature; derive features from it with ingest_examples.timestamps, or leave it out"
        )
    raise TypeError("no feature of tf.Example can hold it; convert the column where the span is written")
