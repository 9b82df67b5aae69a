"""Converts many JSON values to one array at once, when all of them are of the wanted type.

Every function returns None when one value does not fit, or may not: then `columns` converts them one by one, and names
the value.
"""

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.signature import EXACT_INTEGERS

Array = npt.NDArray[Any]
BEYOND_INTEGERS = 2.0**63
"""From here on, a fast parser may have made a float of an integer."""


def array_of(dtype: str, values: Sequence[Any]) -> Array | None:
    """Convert values to an array of shape [values]; strings become Python bytes in an array of objects."""
    block = block_of(dtype, [values])
    return None if block is None else block[0]


def block_of(dtype: str, columns: Sequence[Sequence[Any]], kinds: set[type] | None = None) -> Array | None:
    """Convert equally long columns to an array of shape [columns, values], as `array_of` does.

    `kinds` are the types of the values, or of what they were parsed from, where that is known.
    """
    if dtype == "string":
        return _strings(columns)
    kinds = kinds or set().union(*map(_types, columns))
    if dtype in EXACT_INTEGERS:
        return _floats(dtype, columns, kinds) if kinds <= {float, int} else None
    if dtype == "bool":
        return np.array(columns, bool) if kinds <= {bool} else None
    return _integers(dtype, columns) if kinds <= {int} else None


def nested_array(dtype: str, values: Sequence[Any], most_dimensions: int) -> Array | None:
    """Convert equally nested lists to an array of shape [values, ...]."""
    shape = [len(values)]
    flat = list(values)
    while set(map(type, flat)) == {list}:
        lengths = set(map(len, flat))
        if len(lengths) > 1 or len(shape) >= most_dimensions:
            return None
        shape += lengths
        flat = list(chain.from_iterable(flat))
    converted = array_of(dtype, flat)
    return None if converted is None else converted.reshape(shape)


def _types(values: Sequence[Any]) -> set[type]:
    types = [*map(type, values)]
    # To compare with the first one takes half the time of hashing each.
    return {types[0]} if types and types.count(types[0]) == len(types) else set(types)


def _strings(columns: Sequence[Sequence[Any]]) -> Array | None:
    try:
        return np.array([[*map(str.encode, values)] for values in columns], object)
    except (TypeError, UnicodeEncodeError):
        return None


def _packed(code: str, columns: Sequence[Sequence[Any]]) -> Array:
    """Pack numbers as the module `struct` does; three times as fast as np.array, and without a list of all values."""
    pack = struct.Struct(f"{len(columns[0])}{code}").pack
    return np.frombuffer(b"".join([pack(*values) for values in columns]), code).reshape(len(columns), len(columns[0]))


def _floats(dtype: str, columns: Sequence[Sequence[Any]], kinds: set[type]) -> Array | None:
    try:
        wide = _packed("d", columns)
    except (OverflowError, struct.error):
        return None
    sizes = np.abs(wide)
    if np.count_nonzero(sizes > (EXACT_INTEGERS[dtype] if int in kinds else BEYOND_INTEGERS)):
        return None
    if dtype == "float16" and (sizes > np.finfo(np.float16).max).any():
        return None
    return wide.astype(dtype)


def _integers(dtype: str, columns: Sequence[Sequence[Any]]) -> Array | None:
    try:
        wide = _packed("q", columns)
    except struct.error:
        return None
    if dtype == "int64":
        return wide
    bounds = np.iinfo(dtype)
    return wide.astype(dtype) if ((wide >= bounds.min) & (wide <= min(bounds.max, 2**63 - 1))).all() else None
