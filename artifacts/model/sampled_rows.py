"""Samples raw rows of a record batch, as JSON that a client would send to a server."""

from collections.abc import Collection
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artifacts.model.rows import Row, to_json


class SampledRows(NamedTuple):
    """Sampled rows of a batch."""

    indices: NDArray[np.intp]
    """Their indices in the batch, ascending."""
    rows: tuple[Row, ...]
    """The rows as JSON."""


def sample_rows(batch: pa.RecordBatch, excluded: Collection[str], most: int) -> SampledRows:
    """Sample at most `most` rows, evenly spread over a batch of list columns; up to half of them lack a feature.

    `excluded` are columns that a request does not have: label and weight. Rows with NaN or infinity are not sampled,
    because JSON has neither.
    """
    names = [name for name in batch.schema.names if name not in excluded]
    columns = {name: batch.column(batch.schema.get_field_index(name)) for name in names}
    lengths = {
        name: pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        for name, column in columns.items()
    }
    sendable = np.ones(batch.num_rows, bool)
    lacking = np.zeros(batch.num_rows, bool)
    for name, column in columns.items():
        sendable &= _finite_rows(column, lengths[name])
        lacking |= lengths[name] == 0
    indices = _spread(np.flatnonzero(lacking & sendable), most // 2)
    indices = np.sort(np.concatenate([indices, _spread(np.flatnonzero(~lacking & sendable), most - len(indices))]))
    taken = {name: column.take(pa.array(indices)).to_pylist() for name, column in columns.items()}
    lists = {name for name, length in lengths.items() if length.size and length.max() > 1}
    return SampledRows(indices, tuple(_row(taken, row, lists) for row in range(len(indices))))


def _row(columns: dict[str, list[Any]], index: int, lists: Collection[str]) -> Row:
    row = {}
    for name, values in columns.items():
        if values[index]:
            row[name] = to_json(values[index] if name in lists else values[index][0])
    return row


def _finite_rows(column: pa.Array, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask of the rows that have only finite numbers."""
    if not pa.types.is_floating(column.type.value_type):
        return np.ones(len(column), bool)
    finite = np.isfinite(column.flatten().to_numpy(zero_copy_only=False))
    row = np.repeat(np.arange(len(column)), lengths)
    is_finite: NDArray[np.bool_] = np.bincount(row[~finite], minlength=len(column)) == 0
    return is_finite


def _spread(indices: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return at most `count` evenly spread indices."""
    if not len(indices) or not count:
        return indices[:0]
    return indices[np.unique(np.linspace(0, len(indices) - 1, count).astype(np.intp))]
