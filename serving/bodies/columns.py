"""Converts JSON values to one numpy column per input; values whose meaning would change are refused, not coerced."""

import base64
import binascii
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

import numpy as np

from artifacts.model.features import Feature
from artifacts.model.request import absent_value, padded, tensors
from serving.bodies.arrays import Array, array_of, nested_array
from serving.bodies.description import show
from serving.bodies.strict_json import Refused
from serving.errors import RequestError, bad_request
from serving.signature import Field

Column = Array
Where = Callable[[int], str]
"""Row number -> the value's position in the request, such as `instances[3].hour`."""


def in_row(feature: str) -> Where:
    """Name a feature of a row."""
    return lambda row: f"instances[{row}].{feature}"


def in_column(name: str) -> Where:
    """Name a value of a column."""
    return lambda row: f"{name}[{row}]"


def only_at(place: str) -> Where:
    """Name a value that does not depend on the row."""
    return lambda _: place


class _Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = _Missing()
"""Marks an optional feature that the row lacks; JSON's null means the same."""
_FLOAT_FORMATS = {"float16": "<e", "float32": "<f", "float64": "<d"}
"""Formats of the module `struct`; with "<" it refuses what is too large."""
_MOST_DIMENSIONS = 32
"""Numpy's limit."""


def field_tensors(field: Field, values: Sequence[Any], where: Where) -> dict[str, Column]:
    """Convert the values of one input, one per row, to the tensors that it is fed as.

    Raises RequestError (400) that names the first value that does not fit.
    """
    feature = field.feature
    values = _one_each(field, values)
    if feature is None or not feature.count:
        return {feature.tensor if feature else field.name: column(field, values, where)}
    if feature.is_list:
        return _lists(field, feature, values, where)
    present = np.array([value is not None and value is not MISSING for value in values], bool)
    if not present.all():
        padding: Any = "" if field.dtype == "string" else 0
        values = [value if known else padding for value, known in zip(values, present.tolist(), strict=True)]
    return {feature.tensor: column(field, values, where), feature.count: present.astype(np.int64)}


def example_values(field: Field, value: Any, where: Callable[[], str]) -> list[Any]:
    """Convert the value of one feature to a flat list, as tf.Example has it; [] where the row lacks it.

    Raises RequestError (400) that names the value that does not fit.
    """
    value = _one_each(field, [value])[0]
    if not field.required and (value is None or value is MISSING):
        return []
    if field.is_list:
        return _list(field, value, where) or []
    if field.shape is not None and len(field.shape) > 1:
        flat: list[Any] = column(field, [value], lambda _: where()).reshape(-1).tolist()
        return flat
    return [scalar(field, value, lambda _: where())]


def _one_each(field: Field, values: Sequence[Any]) -> Sequence[Any]:
    """Take `v` and `[v]` for the same where a row has one value: clients of Keras send [rows, 1] for [rows]."""
    if field.is_list or field.shape is None:
        return values
    if field.shape[1:] == (1,):
        return [value if type(value) is list else [value] for value in values]
    if len(field.shape) == 1 and any(type(value) is list for value in values):
        return [value[0] if type(value) is list and len(value) == 1 else value for value in values]
    return values


def column(field: Field, values: Sequence[Any], where: Where) -> Column:
    """Convert the values of one input, one per row; shape [rows, ...] of the field's dtype.

    Raises RequestError (400) that names the first value that does not fit.
    """
    if field.shape is not None and len(field.shape) > 1:
        return _nested(field, values, where)
    if field.shape is None and any(type(value) is list for value in values):
        return _nested(field, values, where)
    filled = values
    if field.feature is not None and not field.required:
        stand_in = field.feature.stand_in
        filled = [stand_in if value is None or value is MISSING else value for value in values]
    converted = array_of(field.dtype, filled)
    return converted if converted is not None else _one_by_one(field, values, where)


def missing_count(field: Field, fed: Mapping[str, Column]) -> int:
    """Count the rows that lack an optional feature, in the tensors that it is fed as."""
    feature = field.feature
    if feature is None or feature.required:
        return 0
    if feature.count:
        return int(np.count_nonzero(fed[feature.count] == 0))
    absent = absent_value(feature)
    values = fed[feature.tensor]
    return int(np.count_nonzero(np.isnan(values) if field.dtype == "float32" else values == absent))


def unknown_count(field: Field, fed: Mapping[str, Column]) -> int:
    """Count the values outside of the categories that the schema lists; missing values do not count."""
    feature = field.feature
    if feature is None or not field.values or field.dtype != "string":
        return 0
    values = fed[feature.tensor]
    if feature.count:
        lengths = fed[feature.count]
        values = values[np.arange(values.shape[1]) < lengths[:, np.newaxis]] if values.ndim > 1 else values[lengths > 0]
    known = field.values if feature.required or feature.count else field.values | {absent_value(feature)}
    got = values.reshape(-1).tolist()
    return 0 if known.issuperset(got) else sum(value not in known for value in got)


def _lists(field: Field, feature: Feature, values: Sequence[Any], where: Where) -> dict[str, Column]:
    """Convert rows that have a list each, or one value, or nothing."""
    lists: list[Sequence[Any]] = []
    for value in values:
        if type(value) is list:
            lists.append(value)
        else:
            lists.append([] if value is None or value is MISSING else [value])
    flat = array_of(field.dtype, [*chain.from_iterable(lists)])
    if flat is None:
        return tensors(feature, [_list(field, value, partial(where, row)) for row, value in enumerate(values)])
    return padded(feature, np.fromiter(map(len, lists), np.int64, len(lists)), flat)


def _list(field: Field, value: Any, where: Callable[[], str]) -> list[Any] | None:
    """Convert the values of one row; a scalar becomes a list of one. None if the row lacks the feature."""
    if value is None or value is MISSING:
        return None
    if type(value) is not list:
        return [scalar(field, value, lambda _: where())]
    for at, item in enumerate(value):
        if item is None:
            raise bad_request(f"{where()}[{at}]: wanted {_wanted(field)}, got null; omit missing values from the list")
    return [scalar(field, item, in_list(where), at) for at, item in enumerate(value)]


def in_list(where: Callable[[], str]) -> Where:
    """Name an item of a list."""
    return lambda at: f"{where()}[{at}]"


def _one_by_one(field: Field, values: Sequence[Any], where: Where) -> Column:
    """Convert values so that an error names the value."""
    found = [scalar(field, value, where, row) for row, value in enumerate(values)]
    return np.array(found, object if field.dtype == "string" else field.dtype)


def scalar(field: Field, value: Any, where: Where, row: int = 0) -> Any:
    """Convert one value; RequestError (400) names its position, what was wanted and what was got."""
    if isinstance(value, Refused):
        raise bad_request(f"{where(row)}: {value.why}")
    if value is None or value is MISSING:
        if field.feature is None or field.required:
            raise bad_request(f"{where(row)}: wanted {_wanted(field)}, got null; this feature is required")
        return absent_value(field.feature)
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
    """Round a number with a decimal point or an exponent; an integer that would be rounded is refused."""
    if type(value) is int or type(value) is float:
        code = _FLOAT_FORMATS[field.dtype]
        try:
            held: float = struct.unpack(code, struct.pack(code, value))[0]
        except (OverflowError, struct.error):
            raise _wrong(field, value, where, row) from None
        if type(value) is float or held == value:
            return held
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
            text = value["b64"]
            found = base64.b64decode(text if "=" in text else text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(f"{where(row)}: wanted base64 in b64, got {show(value['b64'])} ({error})") from None
    else:
        raise _wrong(field, value, where, row)
    return found


def _nested(field: Field, values: Sequence[Any], where: Where) -> Column:
    """Convert nested lists, all of one shape: the signature's, if known."""
    inner = None if field.shape is None else field.shape[1:]
    converted = nested_array(field.dtype, values, _MOST_DIMENSIONS)
    if converted is not None and (inner is None or fits(inner, converted.shape[1:])):
        return converted
    flat: list[Any] = []
    shapes = [_flatten(field, value, flat, partial(where, row)) for row, value in enumerate(values)]
    for row, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise bad_request(f"{where(row)}: wanted shape {list(shapes[0])} as in the first row, got {list(shape)}")
    if inner is not None and not fits(inner, shapes[0]):
        raise bad_request(
            f"{where(0)}: wanted shape {[-1 if size is None else size for size in inner]}, got {list(shapes[0])}"
        )
    array = np.empty(len(flat), object if field.dtype == "string" else field.dtype)
    array[:] = flat
    return array.reshape((len(values), *shapes[0]))


def fits(wanted: Sequence[int | None], got: Sequence[int]) -> bool:
    """Whether a value's shape is a signature's, in which None takes any size."""
    return len(wanted) == len(got) and all(size in (None, has) for size, has in zip(wanted, got, strict=True))


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
