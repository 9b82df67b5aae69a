"""Reads Parquet files a batch of rows at a time; their own types travel on, so that the data gate names one that changed."""

from collections.abc import Iterator

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types as kinds

from artifacts.spans.feature_types import FeatureType
from artifacts.spans.files import SourceFile, open_regular
from core.errors import CorruptArtifact, DataError, EmptyDataset


def read_parquet(file: SourceFile, types: dict[str, FeatureType], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows as columns of int64, float32 and binary values, or lists of them.

    Raises EmptyDataset for a file without a row, CorruptArtifact for one that cannot be read, and DataError with the
    column's name for a type that no feature can have.
    """
    count = 0
    with open_regular(file.path) as stream:
        if not stream.read(1):
            raise EmptyDataset(
                f"{file.path}: wanted a Parquet file, got 0 bytes; write the span again, or leave it out"
            )
        stream.seek(0)
        try:
            for batch in pq.ParquetFile(stream).iter_batches(batch_rows):
                count += batch.num_rows
                yield _columns(batch, types, file)
        except (pa.ArrowException, OSError) as error:
            raise CorruptArtifact(
                f"{file.path}: wanted a whole Parquet file, got one that cannot be read after row {count}: {error}"
            ) from error
    if count == 0:
        raise EmptyDataset(f"{file.path}: wanted at least one row, got none; write the span again, or leave it out")


def _columns(batch: pa.RecordBatch, types: dict[str, FeatureType], file: SourceFile) -> pa.RecordBatch:
    names = batch.schema.names
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise DataError(
            f"{file.path}: wanted columns without repeats, got {', '.join(repeated)} twice; rename or drop one of each"
        )
    columns = {}
    for name, column in zip(names, batch.columns, strict=True):
        if kinds.is_null(column.type):
            continue  # a column without a single value is a feature that no example has
        try:
            columns[name] = _feature(column, is_known=name in types)
        except (pa.ArrowException, TypeError) as error:
            raise DataError(
                f"{file.path}: column {name!r}: wanted {types[name].kind if name in types else 'a feature'}, got {column.type}: {error}"
            ) from error
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _feature(column: pa.Array, *, is_known: bool) -> pa.Array:
    """Convert a column to one of the types of tf.Example; a type that has none is text when the schema does not know the column."""
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return pc.cast(column, pa.list_(_target(kind.value_type)))
    if is_known or not (kinds.is_temporal(kind) or kinds.is_nested(kind)):
        return pc.cast(column, _target(kind))
    return pc.cast(
        pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string()), pa.binary()
    )


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
    raise TypeError("no feature of tf.Example can hold it; convert the column where the span is written")
