"""Bounds the memory that an answer takes: its arrays, the Python values made of them, and the text."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from serving.bodies.columns import Column
from serving.bodies.responses import are_plain_numbers
from serving.signature import Field

_ANY_BYTES = 16 << 10
"""Of any answer: what encoders begin with."""
_FAST_NUMBER_BYTES = 80
"""A number in a list, the list's slot, 25 characters of text, in a buffer that doubles."""
_NUMBER_BYTES = 320
"""Where Python's own encoder writes it: as a string of its own, maybe in a list of its own with a label, and joined."""
_LOOKED_INTO = 1000
"""An answer of fewer values is counted as if Python's encoder wrote it."""
_LIST_BYTES = 200
"""A list, its slot, and its brackets."""
_ROW_BYTES = 600
"""The object of a row that has several outputs; and the names of each output, as often as their length."""
_STRING_BYTES = 500
"""A string, and the object around it where it is written as base64."""
_CHARACTER_BYTES = 24
"""Of a string's byte: the array's, the text's in up to 4 bytes a character, and the escaped one's in a buffer."""


def expected(outputs: Sequence[Field], rows: int) -> int:
    """Return the least bytes of an answer of so many rows, by the signature; what that leaves open counts 1."""
    total = 0
    for field in outputs:
        shape = [rows, *(size or 1 for size in (field.shape or (None,))[1:])]
        each = _STRING_BYTES if field.dtype == "string" else _FAST_NUMBER_BYTES + np.dtype(field.dtype).itemsize
        total += _bytes_of(field.name, shape, each)
    return total


def most(outputs: Mapping[str, Column], *, may_be_fast: bool = True) -> int:
    """Return the most bytes that an answer of a model's outputs takes; `may_be_fast` if `predict_body` writes it."""
    is_fast = (
        may_be_fast
        and sum(values.size for values in outputs.values()) > _LOOKED_INTO
        and all(map(are_plain_numbers, outputs.values()))
    )
    total = _ANY_BYTES
    for name, values in outputs.items():
        if values.dtype.kind in "OS":
            total += _bytes_of(name, values.shape, _STRING_BYTES) + _CHARACTER_BYTES * _characters(values)
        else:
            number = _FAST_NUMBER_BYTES if is_fast else _NUMBER_BYTES
            total += _bytes_of(name, values.shape, number + values.dtype.itemsize)
    return total


def _bytes_of(name: str, shape: Sequence[int], each: int) -> int:
    values, lists, rows = math.prod(shape), math.prod(shape[:-1]), shape[0] if shape else 1
    return values * each + lists * _LIST_BYTES + rows * (_ROW_BYTES + 4 * len(name))


def _characters(values: Column) -> int:
    return values.nbytes if values.dtype.kind == "S" else sum(map(len, values.reshape(-1).tolist()))
