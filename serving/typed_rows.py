"""Parses rows of one value per feature into objects that have a slot for each feature.

A parser that knows the names and types makes a fraction of the memory that dicts take, and has checked every value's
type; to turn rows into columns takes no look-up of names. What it does not expect it refuses without a name, so its
callers have another parser for such bodies.
"""

import math
from collections.abc import Sequence
from types import GenericAlias
from typing import Annotated, Any, Final, NamedTuple

import msgspec

_FLOATS: Final = frozenset({"float16", "float32", "float64"})
_TYPES: Final[dict[str, Any]] = {
    "string": str,
    "bool": bool,
    **dict.fromkeys(_FLOATS, float),
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), int),
}

_NAME: Final[Any] = str | msgspec.UnsetType


class Slot(NamedTuple):
    """A feature of a row."""

    name: str
    dtype: str
    """Numpy's name, or `string`."""
    required: bool
    most: float = math.inf
    """Numbers with a point that are larger, or as far below 0, are refused: the body may have had an integer."""


class ParsedRows(NamedTuple):
    """The values of rows in columns."""

    columns: Sequence[Sequence[Any]]
    """In the order of the slots. What a row lacks is NaN among floats, else None; JSON's null is None. An integer among
    floats is a float."""
    rows: int
    keys: int
    """Keys of the request besides those of its rows."""
    absent: int
    """How many of the None are for a feature that a row lacks."""
    spent: Any
    """What the columns were taken from; to free thousands of objects takes time, which who holds this puts off."""


class RowParser:
    """Parses requests that have rows, maybe the name of the one signature that it is for, and nothing else."""

    def __init__(self, signature: str, slots: Sequence[Slot]) -> None:
        names = {f"v{at}": slot.name for at, slot in enumerate(slots)}
        fields = [(name, *_typed(slot)) for name, slot in zip(names, slots, strict=True)]
        row: Any = msgspec.defstruct("Row", fields, rename=names, kw_only=True, forbid_unknown_fields=True, gc=False)
        outer: list[Any] = [("instances", GenericAlias(list, row)), ("signature_name", _NAME, msgspec.UNSET)]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Request", outer, forbid_unknown_fields=True))
        self._signature = signature
        # What each row must have takes at least: in braces, a name in quotes, a colon and a value's one character.
        self._least_bytes = 2 + sum(len(slot.name.encode()) + 4 for slot in slots if slot.required)
        self._may_be_unset = [at for at, slot in enumerate(slots) if not slot.required and slot.dtype not in _FLOATS]

    @staticmethod
    def takes(slots: Sequence[Slot]) -> bool:
        """Whether rows of these features can be parsed."""
        return bool(slots) and all(slot.dtype in _TYPES for slot in slots)

    def parse(self, body: bytes, most: int) -> ParsedRows | None:
        """Parse a body of so many rows at most; None when it is not such a request, for whatever reason."""
        # Before anything is made of it: `{}` becomes a slot for each feature. A short body is not counted in.
        if len(body) > most * self._least_bytes and body.count(b"{") > most + 1:
            return None
        try:
            request: Any = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        rows = request.instances
        if not rows or request.signature_name not in (msgspec.UNSET, self._signature):
            return None
        # Half the time of one list of all values and slices of it.
        columns: list[Sequence[Any]] = [*zip(*map(msgspec.structs.astuple, rows), strict=True)]
        absent = 0
        for at in self._may_be_unset:
            unset = columns[at].count(msgspec.UNSET)
            if unset:
                absent += unset
                columns[at] = [None if value is msgspec.UNSET else value for value in columns[at]]
        keys = 1 if request.signature_name is msgspec.UNSET else 2
        return ParsedRows(columns, len(rows), keys, absent, rows)


def _typed(slot: Slot) -> tuple[Any, ...]:
    """Return the type of a slot, and what a row that lacks it has."""
    kind = _TYPES[slot.dtype]
    is_bounded = kind is float and slot.most < math.inf
    taken = Annotated[kind, msgspec.Meta(ge=-slot.most, le=slot.most)] if is_bounded else kind
    if slot.required:
        return (taken,)
    return (taken | None, math.nan) if kind is float else (taken | None | msgspec.UnsetType, msgspec.UNSET)
