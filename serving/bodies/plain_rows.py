"""Converts typed rows of which each value is there, is NaN because it is not, or is a text that the schema lists.

An operation on arrays costs twice: while it runs, and when TensorFlow's code and data have to come back into the
caches, which is as much again (measured). So numbers are packed as what is fed, and few gaps are filled by Python.
"""

import itertools
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from serving.bodies.columns import Column
from serving.bodies.scalars import Fed, fill_gaps, listed_texts
from serving.signature import Scalars, Signature

_CODES: Final = {"float32": "f", "float64": "d", "int64": "q", "int32": "i", "int16": "h", "int8": "b"}
"""What `struct` packs just as numpy holds it, and refuses if it does not fit."""
_FLOATS: Final = frozenset({"float32", "float64"})
_TAKEN: Final = frozenset({"string", *_CODES})
_FEW: Final = 1024
"""Gaps among so many values are filled one by one: to look at them takes less than further operations on arrays."""


def feeds(signature: Signature, columns: Sequence[Sequence[Any]], rows: int) -> Fed | None:
    """Convert columns, in the order of the signature's inputs; None where another way has to look at the values."""
    fed = Fed({}, {}, {}, set())
    for dtype, inputs in signature.scalars.items():
        if dtype not in _TAKEN or (inputs.uncounted and dtype not in _FLOATS):
            return None
        own = [columns[at] for at in inputs.positions]
        fed.tensors.update(dict.fromkeys(inputs.counts, _ones(rows)))
        block = listed_texts(inputs, own, rows) if dtype == "string" else _numbers(dtype, inputs, own, fed)
        if block is None:
            return None
        fed.blocks[dtype] = block
        fed.tensors.update(zip(inputs.tensors, block, strict=True))
    fed.tensors.pop("", None)  # of those without a count
    if "string" in fed.blocks:
        fed.listed.add("string")
    return fed


def _numbers(dtype: str, inputs: Scalars, columns: Sequence[Sequence[Any]], fed: Fed) -> Column | None:
    code, rows = _CODES[dtype], len(columns[0])
    pack = _packer(rows, code)
    try:
        packed = [*itertools.starmap(pack, columns)]
    except (OverflowError, struct.error):
        return None
    block = np.frombuffer(bytearray().join(packed), code).reshape(len(packed), rows)
    if dtype not in _FLOATS:
        return block
    known = np.equal(block, block)
    marks = known.tobytes()
    lacking = {at: n for at in range(len(packed)) if (n := marks.count(0, at * rows, (at + 1) * rows))}
    if not lacking:
        return block
    if len(lacking) * rows > _FEW:
        fill_gaps(inputs, block, fed)
        return block
    counts = known.astype(np.int64)
    for at, missing in lacking.items():
        fed.missing[inputs.names[at]] = missing
        if inputs.counts[at]:
            fed.tensors[inputs.counts[at]] = counts[at]
            packed[at] = pack(*[value if value == value else 0 for value in columns[at]])  # noqa: PLR0124 - not NaN
    return np.frombuffer(b"".join(packed), code).reshape(block.shape)


@lru_cache(maxsize=64)
def _packer(values: int, code: str) -> Callable[..., bytes]:
    return struct.Struct(f"{values}{code}").pack


@lru_cache(maxsize=16)
def _ones(rows: int) -> Column:
    """Return what says that every row has a value; requests share it, so nobody may write into it."""
    found = np.ones(rows, np.int64)
    found.flags.writeable = False
    return found
