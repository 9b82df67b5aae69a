"""Converts the inputs that have one value a row, all of one type at once: an array costs more than its values."""

from collections.abc import Mapping, Sequence
from itertools import chain, compress
from typing import Any, NamedTuple

import numpy as np

from serving.bodies.arrays import array_of
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
    converted = _listed_texts(inputs, columns, values.rows) if dtype == "string" else None
    if converted is not None:
        fed.listed.add(dtype)
    else:
        converted = array_of(dtype, [*chain.from_iterable(columns)], values.kinds.get(dtype))
    if converted is None:
        columns = [_filled(field, column, present) for field, column in zip(inputs.fields, columns, strict=True)]
        converted = array_of(dtype, [*chain.from_iterable(columns)], values.kinds.get(dtype))
    if converted is None:
        return False
    tensors = converted.reshape(len(columns), values.rows)
    if dtype.startswith("float"):
        _fill_gaps(inputs, tensors, present)
    fed.blocks[dtype] = tensors
    fed.tensors.update(zip(inputs.tensors, tensors, strict=True))
    _count(inputs, values.rows, present, fed)
    return True


def _listed_texts(inputs: Scalars, columns: Sequence[Sequence[Any]], rows: int) -> Column | None:
    """Encode texts; None when one is not listed by the schema, or no text at all."""
    texts = chain.from_iterable(map(map, [field.encode for field in inputs.fields], columns))
    try:
        return np.fromiter(texts, object, len(columns) * rows)
    except (KeyError, TypeError, UnicodeEncodeError):
        return None


def _fill_gaps(inputs: Scalars, tensors: Column, present: dict[str, Column]) -> None:
    """Put 0 where an optional feature is missing, and note which rows have it; shape [inputs, rows]."""
    gaps = np.isnan(tensors)
    if not np.count_nonzero(gaps):
        return
    counts = (~gaps).astype(np.int64)
    for at in compress(range(len(tensors)), np.logical_or.reduce(gaps, axis=1).tolist()):
        if inputs.counts[at]:
            np.copyto(tensors[at], 0, where=gaps[at])
            present[inputs.names[at]] = counts[at]


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
