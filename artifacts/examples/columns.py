"""A shard's examples as Arrow columns, beside its records: the same values, without decoding a protobuf per row.

TFX's tools read the records. Decoding them costs more than computing statistics over them, and several stages read
every example; so a shard whose rows were read as plain columns has those too, compressed, with their own digest.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.errors import SchemaError

OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


def read(path: Path, types: Mapping[str, pa.DataType] | None, batch_size: int) -> Iterator[pa.RecordBatch]:
    """Yield rows as tfx_bsl's decoder does: each feature a large list of values, null where the example lacks it.

    With `types`, the batches have those features, in that order; without, those that have a value in the batch.
    Raises SchemaError for a column of another type.
    """
    with pa.OSFile(str(path)) as stream, pa.ipc.open_stream(stream) as batches:
        for batch in batches:
            for start in range(0, batch.num_rows, batch_size):
                part = batch.slice(start, batch_size)
                yield _present(part) if types is None else _typed(part, types, path)


def read_evenly(path: Path, types: Mapping[str, pa.DataType], batch_size: int) -> Iterator[pa.RecordBatch]:
    """Yield rows as `read` does, `batch_size` in every batch but the last, with empty lists where there is no value."""
    with pa.OSFile(str(path)) as stream, pa.ipc.open_stream(stream) as batches:
        for batch in _evenly(batches, batch_size):
            yield _without_nulls(_typed(batch, types, path))


def take(path: Path, types: Mapping[str, pa.DataType], rows: NDArray[np.intp]) -> tuple[pa.RecordBatch, int]:
    """Return some rows, in their order, as `read_evenly` does, and how many rows there are."""
    found, before = [], 0
    with pa.OSFile(str(path)) as stream, pa.ipc.open_stream(stream) as batches:
        for batch in batches:
            first, last = np.searchsorted(rows, [before, before + batch.num_rows])
            found.append(batch.take(pa.array(rows[first:last] - before)))
            before += batch.num_rows
        return _without_nulls(_typed(joined(found, batches.schema), types, path)), before


def _evenly(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    count = 0
    for whole in batches:
        batch = whole
        while count + batch.num_rows >= rows:
            yield joined([*held, batch.slice(0, rows - count)], batch.schema)
            batch, held, count = batch.slice(rows - count), [], 0
        if batch.num_rows:
            held.append(batch)
            count += batch.num_rows
    if held:
        yield joined(held, held[0].schema)


def joined(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of several batches of a schema as one batch."""
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches, schema).combine_chunks()
    found = table.to_batches()
    return found[0] if found else pa.RecordBatch.from_pylist([], schema)


def _without_nulls(batch: pa.RecordBatch) -> pa.RecordBatch:
    lists = [
        pa.LargeListArray.from_arrays(column.offsets, column.values) if column.null_count else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(lists, batch.schema.names)


def _present(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
    names = sorted(name for name, column in columns.items() if column.null_count < len(column))
    return pa.RecordBatch.from_arrays([_lists(columns[name]) for name in names], names)


def _typed(batch: pa.RecordBatch, types: Mapping[str, pa.DataType], path: Path) -> pa.RecordBatch:
    arrays = []
    for name, kind in types.items():
        index = batch.schema.get_field_index(name)
        if index < 0:
            arrays.append(pa.nulls(batch.num_rows, kind))
            continue
        lists = _lists(batch.column(index))
        if lists.type != kind:
            raise SchemaError(
                f"{path}: feature {name!r}: wanted {kind.value_type}, got {lists.type.value_type}; "
                "correct the source, or the type in the schema"
            )
        arrays.append(lists)
    return pa.RecordBatch.from_arrays(arrays, list(types))


def _lists(column: pa.Array) -> pa.Array:
    """Turn values into lists of one value; a null value becomes a null list."""
    if pa.types.is_binary(column.type):
        column = pc.cast(column, pa.large_binary())
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], np.cumsum(valid, dtype=np.int64)))
    missing = np.append(~valid, False)
    return pa.LargeListArray.from_arrays(
        pa.array(offsets, mask=missing if column.null_count else None), column.drop_null()
    )
