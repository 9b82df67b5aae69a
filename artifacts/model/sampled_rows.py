"""Chooses a few raw rows of a record batch, to be sent to a server as a client would send them."""

from collections.abc import Collection
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from artifacts.model.rows import Row, to_json


class SampledRows(NamedTuple):
    """Some rows of a batch."""

    places: NDArray[np.intp]
    """Their places in the batch, in order."""
    rows: tuple[Row, ...]
    """The rows as JSON has them."""


def sample_rows(batch: pa.RecordBatch, excluded: Collection[str], most: int) -> SampledRows:
    """Choose rows spread over a batch whose features are lists, half of them with missing features if there are such.

    `excluded` names features that a request does not have: the label, the weight. A row with NaN or infinity is not
    chosen: JSON has no such numbers.
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
    places = _spread(np.flatnonzero(lacking & sendable), most // 2)
    places = np.sort(np.concatenate([places, _spread(np.flatnonzero(~lacking & sendable), most - len(places))]))
    taken = {name: column.take(pa.array(places)).to_pylist() for name, column in columns.items()}
    lists = {name for name, length in lengths.items() if length.size and length.max() > 1}
    return SampledRows(places, tuple(_row(taken, place, lists) for place in range(len(places))))


def _row(columns: dict[str, list[Any]], place: int, lists: Collection[str]) -> Row:
    row = {}
    for name, values in columns.items():
        if values[place]:
            row[name] = to_json(values[place] if name in lists else values[place][0])
    return row


def _finite_rows(column: pa.Array, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which rows have only finite numbers."""
    if not pa.types.is_floating(column.type.value_type):
        return np.ones(len(column), bool)
    finite = np.isfinite(column.flatten().to_numpy(zero_copy_only=False))
    row = np.repeat(np.arange(len(column)), lengths)
    whole: NDArray[np.bool_] = np.bincount(row[~finite], minlength=len(column)) == 0
    return whole


def _spread(places: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    if not len(places) or not count:
        return places[:0]
    return places[np.unique(np.linspace(0, len(places) - 1, count).astype(np.intp))]
