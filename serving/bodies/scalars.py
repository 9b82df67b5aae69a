"""Converts the inputs that have one value a row, all of one type at once: an array costs more than its values."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from serving.bodies.arrays import block_of
from serving.bodies.columns import Column, missing_count
from serving.signature import Field, Scalars


class Values(NamedTuple):
    """The values of each input, one per row."""

    by_name: Mapping[str, Sequence[Any]]
    rows: int
    keys: int
    """Keys of the rows' objects, or of the columns' object."""
    kinds: Mapping[str, set[type]] = {}
    """By dtype, the types that the values had in the body, where the parser has checked them."""


class Fed(NamedTuple):
    """What is converted so far."""

    tensors: dict[str, Column]
    missing: dict[str, int]
    """How many rows lack each feature."""
    blocks: dict[str, Column]
    """What was converted at once, by dtype."""
    listed: set[str]
    """Dtypes of which each value is one that the schema lists, where it lists any."""


def convert(dtype: str, inputs: Scalars, values: Values, fed: Fed) -> bool:
    """Convert all inputs of one type; False if a value does not fit."""
    columns = [values.by_name[name] for name in inputs.names]
    present: dict[str, Column] = {}
    block = listed_texts(inputs, columns, values.rows) if dtype == "string" else None
    if block is not None:
        fed.listed.add(dtype)
    else:
        block = block_of(dtype, columns, values.kinds.get(dtype))
    if block is None:
        columns = [_filled(field, column, present) for field, column in zip(inputs.fields, columns, strict=True)]
        block = block_of(dtype, columns, values.kinds.get(dtype))
    if block is None:
        return False
    fed.blocks[dtype] = block
    fed.tensors.update(zip(inputs.tensors, block, strict=True))
    if not (dtype.startswith("float") and fill_gaps(inputs, block, fed)):
        _count(inputs, values.rows, present, fed)
    return True


def listed_texts(inputs: Scalars, columns: Sequence[Sequence[Any]], rows: int) -> Column | None:
    """Encode texts; None when one is not listed by the schema, or no text at all."""
    texts = chain.from_iterable(map(map, [field.encode for field in inputs.fields], columns))
    try:
        return np.fromiter(texts, object, len(columns) * rows).reshape(len(columns), rows)
    except (KeyError, TypeError, UnicodeEncodeError):
        return None


def fill_gaps(inputs: Scalars, block: Column, fed: Fed) -> bool:
    """Feed which rows have each feature, and 0 where one is missing; False if there are no gaps: that is quicker."""
    gaps = np.isnan(block)
    if not np.count_nonzero(gaps):
        return False
    counts = (~gaps).astype(np.int64)
    fed.missing.update(
        (name, count) for name, count in zip(inputs.names, np.add.reduce(gaps, axis=1).tolist(), strict=True) if count
    )
    fed.tensors.update(zip(inputs.counts, counts, strict=True))
    fed.tensors.pop("", None)  # of those without a count, where the gap itself says so
    if inputs.uncounted:
        gaps &= np.array(inputs.counts)[:, np.newaxis] != ""
    np.copyto(block, 0, where=gaps)
    return True


def _filled(field: Field, column: Sequence[Any], present: dict[str, Column]) -> Sequence[Any]:
    """Put a value where an optional feature is missing, and note which rows have it; among floats NaN notes it."""
    if field.feature is None or field.required or None not in column:
        return column
    stand_in: Any = field.feature.stand_in
    if field.feature.count and not field.is_scalar_float:
        present[field.name] = np.array([value is not None for value in column], np.int64)
        stand_in = "" if field.dtype == "string" else 0
    return [stand_in if value is None else value for value in column]


def _count(inputs: Scalars, rows: int, present: Mapping[str, Column], fed: Fed) -> None:
    """Feed which rows have each feature, and count those that lack it; `present` has the features that some lack."""
    if any(inputs.counts):
        every_row = np.ones(rows, np.int64)
        fed.tensors.update(
            (count, present.get(name, every_row))
            for name, count in zip(inputs.names, inputs.counts, strict=True)
            if count
        )
    for name, counts in present.items():
        fed.missing[name] = rows - int(np.count_nonzero(counts))
    for field in inputs.uncounted:
        if missing := missing_count(field, fed.tensors):
            fed.missing[field.name] = missing
