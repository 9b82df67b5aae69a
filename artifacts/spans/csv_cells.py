"""Gives the cells of CSV files the schema's types; each different text is parsed once, so strictness costs little."""

from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.spans.feature_types import ARROW, FLOAT32_LIMIT, FLOAT_PATTERN, FeatureType
from artifacts.spans.read_options import ReadOptions

_SHORT_INT = "^-?[0-9]{1,18}$"
"""Integers that certainly fit 64 bits."""


class Parsed(NamedTuple):
    """The values of different texts, in their order; null for what is missing or invalid."""

    values: pa.Array
    invalid: dict[int, str]
    """By position: why a text is no value."""


def parsed(name: str, texts: pa.Array, options: ReadOptions) -> Parsed:
    """Parse the different texts of a column."""
    values = _at_once(name, texts, options)
    return _one_by_one(name, texts, options) if values is None else Parsed(values, {})


def features(name: str, values: pa.Array, options: ReadOptions) -> dict[str, pa.Array]:
    """Return the features that a column of values becomes, by name."""
    timestamp = options.timestamps.get(name)
    return {name: values} if timestamp is None else timestamp.features(name, values)


def _at_once(name: str, texts: pa.Array, options: ReadOptions) -> pa.Array | None:
    """Parse with Arrow, where it is certain that the result is the same; None where it is not."""
    if name in options.timestamps:
        return None
    kind = _feature_type(name, options).name
    missing = pc.is_in(texts, value_set=pa.array(sorted(options.missing), pa.string()))
    texts = pc.if_else(missing, pa.scalar(None, pa.string()), texts)
    if kind == "BYTES":
        return pc.cast(texts, pa.binary())
    pattern = _SHORT_INT if kind == "INT" else f"^(?:{FLOAT_PATTERN})$"
    if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is False:
        return None
    try:
        values = pc.cast(texts, pa.int64() if kind == "INT" else pa.float64())
    except pa.ArrowInvalid:
        return None
    if kind == "INT":
        return values
    fits = pc.all(pc.less(pc.abs(values), FLOAT32_LIMIT)).as_py()
    return None if fits is False else pc.cast(values, pa.float32())


def _one_by_one(name: str, texts: pa.Array, options: ReadOptions) -> Parsed:
    timestamp = options.timestamps.get(name)
    feature_type = _feature_type(name, options)
    parse = feature_type.parse if timestamp is None else timestamp.parse
    values: list[int | float | bytes | None] = []
    invalid: dict[int, str] = {}
    for position, text in enumerate(texts.to_pylist()):
        try:
            values.append(None if text in options.missing else parse(text))
        except ValueError as error:
            values.append(None)
            invalid[position] = f"column {name!r}: {error}"
    return Parsed(pa.array(values, ARROW[feature_type.name if timestamp is None else "INT"]), invalid)


def _feature_type(name: str, options: ReadOptions) -> FeatureType:
    """Return the schema's type; a column that it does not have is text."""
    return options.types.get(name, FeatureType("BYTES"))
