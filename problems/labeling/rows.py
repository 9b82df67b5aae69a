"""What labeling, transformation and slicing functions see of the data: plain columns, texts as strings."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import LabelingError, did_you_mean

SHOWN = 80
"""Characters of a value in a message."""


class Row(SimpleNamespace):
    """One row: `row.text` or `row["text"]`; a missing value is None."""

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]

    def __contains__(self, name: str) -> bool:
        return name in self.__dict__


def column(batch: pa.RecordBatch, name: str, function: str) -> pa.Array:
    """Return a column; LabelingError, which names the function, when there is none."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise LabelingError(
            f"function {function!r}: wanted a feature of the data, got {name!r}{did_you_mean(name, batch.schema.names)}"
        )
    return batch.column(index)


def rows(batch: pa.RecordBatch) -> Iterator[Row]:
    """Yield the rows of a batch."""
    names = batch.schema.names
    columns = [batch.column(index).to_pylist() for index in range(len(names))]
    for values in zip(*columns, strict=True):
        yield Row(**dict(zip(names, values, strict=True)))


def text_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with bytes as strings; a column that is not UTF-8, such as images, stays as it is."""
    return pa.RecordBatch.from_arrays([_text(values) for values in batch.columns], batch.schema.names)


def _text(values: pa.Array) -> pa.Array:
    if not (pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
        return values
    try:
        return pc.cast(values, pa.string())
    except pa.ArrowInvalid:
        return values


def shown(batch: pa.RecordBatch, row: int) -> str:
    """Return a row for a message, each value cut."""
    values = [f"{name}={_cut(batch.column(index)[row].as_py())}" for index, name in enumerate(batch.schema.names)]
    return ", ".join(values[:10])


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
