"""Turns JSON values into one numpy column per input, strictly: nothing is coerced that would change its meaning."""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from serving.errors import RequestError, bad_request
from serving.signature import Field
from serving.strict_json import Refused

Column = npt.NDArray[Any]
Where = Callable[[int], str]
"""Row number -> how the request names the value there, such as `instances[3].hour`."""


def in_row(feature: str) -> Where:
    """Name a feature of a row."""
    return lambda row: f"instances[{row}].{feature}"


def in_column(name: str) -> Where:
    """Name a value of a column."""
    return lambda row: f"{name}[{row}]"


def only_at(place: str) -> Where:
    """Name the one place there is."""
    return lambda _: place


class _Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()
"""Stands for an optional feature that the row does not have; JSON's null means the same."""
_NOTHING = {_Missing, type(None)}
_NUMBERS = {float, int}
_INTEGERS = {int}


def column(field: Field, values: Sequence[Any], where: Where) -> Column:
    """Convert the values of one input, one per row; shape [rows, ...] of the field's dtype.

    Raises RequestError (400) that names the first value that does not fit.
    """
    if field.shape is not None and len(field.shape) > 1:
        return _nested(field, values, where)
    if field.shape is None and any(type(value) is list for value in values):
        return _nested(field, values, where)
    fast = _fast(field, values)
    return fast if fast is not None else _slow(field, values, where)


def missing_count(field: Field, column: Column) -> int:
    """Count the values of an optional feature that are missing, by the encoding that the exported graph knows."""
    if field.dtype == "string":
        return int(np.count_nonzero(column == b""))
    if field.dtype.startswith("float"):
        return int(np.count_nonzero(np.isnan(column)))
    return int(np.count_nonzero(column == -1))


def _absent(field: Field) -> Any:
    """How a missing value is told to the exported graph."""
    absent = field.absent
    return absent.encode() if isinstance(absent, str) else absent


def _fast(field: Field, values: Sequence[Any]) -> Column | None:
    """The common case without a Python loop per check; None sends the caller to the slow one, which explains."""
    kinds = set(map(type, values))
    if not field.required and kinds & _NOTHING:
        absent = _absent(field)
        values = [absent if value is None or value is MISSING else value for value in values]
        kinds = set(map(type, values))
    if field.dtype == "float32" and kinds <= _NUMBERS:
        with np.errstate(over="ignore"):
            narrow = np.array(values, np.float64).astype(np.float32)
        return None if np.isinf(narrow).any() else narrow
    if field.dtype == "int64" and kinds <= _INTEGERS:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            return None
    return None


def _slow(field: Field, values: Sequence[Any], where: Where) -> Column:
    """Convert one by one, so that a value that does not fit is named."""
    found = [scalar(field, value, where, row) for row, value in enumerate(values)]
    return np.array(found, object if field.dtype == "string" else field.dtype)


def scalar(field: Field, value: Any, where: Where, row: int = 0) -> Any:
    """Convert one value; RequestError (400) names the place, what was wanted and what was got."""
    if isinstance(value, Refused):
        raise bad_request(f"{where(row)}: {value.why}")
    if value is None or value is MISSING:
        if field.required:
            raise bad_request(f"{where(row)}: wanted {_wanted(field)}, got null; this feature is required")
        return _absent(field)
    if field.dtype == "string":
        return _string(field, value, where, row)
    if field.dtype == "bool":
        if type(value) is bool:
            return value
    elif field.dtype.startswith("float"):
        return _float(field, value, where, row)
    elif type(value) is int:
        bounds = np.iinfo(field.dtype)
        if bounds.min <= value <= bounds.max:
            return value
    raise _wrong(field, value, where, row)


def _float(field: Field, value: Any, where: Where, row: int) -> float:
    if type(value) is int or type(value) is float:
        with np.errstate(over="ignore"):
            if np.isfinite(np.dtype(field.dtype).type(value)):
                return float(value)
    raise _wrong(field, value, where, row)


def _string(field: Field, value: Any, where: Where, row: int) -> bytes:
    if type(value) is str:
        try:
            found = value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise bad_request(
                f"{where(row)}: wanted text, got half a surrogate pair at character {error.start}"
            ) from None
    elif type(value) is dict and value.keys() == {"b64"} and type(value["b64"]) is str:
        try:
            found = base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(f"{where(row)}: wanted base64 in b64, got {show(value['b64'])} ({error})") from None
    else:
        raise _wrong(field, value, where, row)
    return found


def _nested(field: Field, values: Sequence[Any], where: Where) -> Column:
    """Convert values that are themselves lists; every row must have one shape, and the signature's where it says one."""
    inner = None if field.shape is None else field.shape[1:]
    flat: list[Any] = []
    shapes = [_flatten(field, value, flat, partial(where, row)) for row, value in enumerate(values)]
    for row, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise bad_request(f"{where(row)}: wanted shape {list(shapes[0])} as in the first row, got {list(shape)}")
    if inner is not None and (
        len(inner) != len(shapes[0]) or any(want not in (None, got) for want, got in zip(inner, shapes[0], strict=True))
    ):
        raise bad_request(
            f"{where(0)}: wanted shape {[-1 if size is None else size for size in inner]}, got {list(shapes[0])}"
        )
    array = np.empty(len(flat), object if field.dtype == "string" else field.dtype)
    array[:] = flat
    return array.reshape((len(values), *shapes[0]))


def _flatten(field: Field, value: Any, flat: list[Any], where: Callable[[], str]) -> tuple[int, ...]:
    """Append the scalars of one nested value and return its shape."""
    if type(value) is not list:
        flat.append(scalar(field, value, lambda _: where()))
        return ()
    shapes = [_flatten(field, item, flat, partial(_inside, where, at)) for at, item in enumerate(value)]
    ragged = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), None)
    if ragged is not None:
        raise bad_request(
            f"{where()}[{ragged}]: wanted shape {list(shapes[0])} as before it, got {list(shapes[ragged])}"
        )
    return (len(shapes), *(shapes[0] if shapes else ()))


def _inside(where: Callable[[], str], at: int) -> str:
    return f"{where()}[{at}]"


def _wanted(field: Field) -> str:
    match field.dtype:
        case "string":
            return "a string"
        case "bool":
            return "true or false"
        case dtype if dtype.startswith("float"):
            return f"a number that {dtype} holds"
        case dtype:
            return f"an integer that {dtype} holds"


def _wrong(field: Field, value: Any, where: Where, row: int) -> RequestError:
    return bad_request(f"{where(row)}: wanted {_wanted(field)}, got {show(value)}")


def show(value: Any) -> str:
    """Show a value of a request in an error message, as JSON would and not at length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {printable(value)}"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return f"{value!r:.60}"


def printable(text: str) -> str:
    """Quote a text of a request, cut to 60 characters and with nothing in it that a log or JSON could choke on."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")
