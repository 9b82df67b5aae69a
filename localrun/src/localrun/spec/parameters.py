"""Parameter values: their types, and how a value becomes one of them."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from localrun.errors import ParameterError, nearest
from localrun.spec.pipeline import ParameterDef, ParameterType

_WORDS = {
    ParameterType.INTEGER: "an integer",
    ParameterType.DOUBLE: "a number",
    ParameterType.STRING: "a string",
    ParameterType.BOOLEAN: "true or false",
    ParameterType.LIST: "a list",
    ParameterType.STRUCT: "a mapping",
    ParameterType.FINAL_STATUS: "a task's final status",
}
_EXACT = 2**53


def from_spec(value: Any, wanted: ParameterType, where: str) -> Any:
    """Restore the type of a value from the spec's JSON, where every number is a double and 3.0 is the integer 3.

    Raises ParameterError when it does not fit.
    """
    if wanted is ParameterType.INTEGER and isinstance(value, float) and value.is_integer():
        value = int(value)
    return check(value, wanted, where)


def from_output(value: Any, wanted: ParameterType, where: str) -> Any:
    """Convert what a task returned; kfp's executor lets a boolean pass for a number, as Python does.

    Raises ParameterError when it does not fit.
    """
    if isinstance(value, bool) and wanted in {ParameterType.INTEGER, ParameterType.DOUBLE}:
        value = int(value)
    return from_spec(value, wanted, where)


def from_item(value: Any, wanted: ParameterType, where: str) -> Any:
    """Convert an item of a list, or a field of a mapping, to its declared type.

    The compiler declares a type that it does not know as string.

    Raises ParameterError when it does not fit.
    """
    if wanted is ParameterType.STRING and not isinstance(value, str):
        return json.dumps(value)
    if wanted is not ParameterType.STRING and isinstance(value, str):
        value = read_json(value, where)
    return from_spec(value, wanted, where)


def select(value: Any, fields: Sequence[str], where: str) -> Any:
    """Return the part of a mapping (or of its JSON text) that the fields lead to; ParameterError when it is missing."""
    for name in fields:
        value = read_json(value, where) if isinstance(value, str) else value
        if not isinstance(value, Mapping) or name not in value:
            raise ParameterError(f"{where}: wanted a mapping with the field {name!r}, got {_shown(value)}")
        value = value[name]
    return value


def read_json(text: str, where: str) -> Any:
    """Read JSON that a task handed on as a string."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ParameterError(f"{where}: wanted JSON, got {_shown(text)}") from None


def check(value: Any, wanted: ParameterType, where: str) -> Any:
    """Return a value as its type says; ParameterError when it does not fit.

    Whole numbers inside lists and mappings become integers: that is what a task sees on a cluster, where JSON is
    written from doubles.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        ParameterType.INTEGER: number and isinstance(value, int),
        ParameterType.DOUBLE: number and math.isfinite(value) if number else False,
        ParameterType.STRING: isinstance(value, str),
        ParameterType.BOOLEAN: isinstance(value, bool),
        ParameterType.LIST: isinstance(value, list | tuple),
        ParameterType.STRUCT: isinstance(value, Mapping),
        ParameterType.FINAL_STATUS: isinstance(value, Mapping),
    }[wanted]
    if not fits:
        raise ParameterError(f"{where}: wanted {_WORDS[wanted]}, got {_shown(value)}")
    if wanted is ParameterType.DOUBLE:
        return float(value)
    return plain(value, where) if isinstance(value, Mapping | list | tuple) else value


def plain(value: Any, where: str) -> Any:
    """Return nested JSON data with whole numbers as integers; ParameterError for anything that JSON cannot carry."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ParameterError(f"{where}: wanted string keys, got {_shown(list(value))}")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ParameterError(f"{where}: wanted a finite number, got {value}")
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ParameterError(f"{where}: wanted JSON data, got {_shown(value)}")


def given(values: Mapping[str, Any], declared: Mapping[str, ParameterDef]) -> dict[str, Any]:
    """Check the parameters of a run against the pipeline's and fill in defaults.

    Raises ParameterError for an unknown name (with the nearest one), a wrong type, or a value that is missing.
    """
    for name in values:
        if name not in declared:
            raise ParameterError(f"the pipeline has no parameter {name!r}{nearest(name, declared)}")
    missing = [name for name, d in declared.items() if name not in values and not d.has_default and not d.optional]
    if missing:
        raise ParameterError(
            f"no value for parameter {', '.join(map(repr, missing))}; the pipeline has no default for it"
        )
    filled = {name: check(value, declared[name].type, f"parameter {name!r}") for name, value in values.items()}
    defaults = {name: d.default for name, d in declared.items() if name not in values and d.has_default}
    return {
        name: filled[name] if name in filled else defaults[name]
        for name in declared
        if name in filled or name in defaults
    }


def from_text(text: str, declared: ParameterDef, where: str) -> Any:
    """Read a value that a person typed, by the declared type: strings unchanged, the rest as JSON."""
    if declared.type is ParameterType.STRING:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        raise ParameterError(f"{where}: wanted {_WORDS[declared.type]} written as JSON, got {text!r}") from None
    return check(value, declared.type, where)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
