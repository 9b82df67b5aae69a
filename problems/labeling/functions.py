"""Labeling functions: what a use case's `labeling.py` lists as `labeling_functions`.

Declared ones (`keyword`, `regex`, `threshold`, `length`, `lookup`, `sentiment`) run over whole Arrow columns. A Python
function over batches is decorated with `batch_function`, one over single rows with `row_function`; a function that was
decorated with snorkel's `@labeling_function` is taken as it is.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, Protocol

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import LabelingError
from problems.labeling.rows import column

Label = str | int
"""A class: its name, or its index among the classes."""
Unit = Literal["characters", "words"]


class LabelingFunction(Protocol):
    """Votes on the rows of a batch."""

    @property
    def name(self) -> str:
        """Its name in tables and messages."""

    def labels(self, batch: pa.RecordBatch) -> Any:
        """Return a label per row, None to abstain: an Arrow or NumPy array, or a list."""


@dataclass(frozen=True)
class Rule:
    """Votes for one class where a condition is true."""

    name: str
    label: Label
    condition: Callable[[pa.RecordBatch], pa.Array]

    def named(self, name: str) -> "Rule":
        """Return the same function with another name."""
        return replace(self, name=name)

    def labels(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the label where the condition is true, null elsewhere."""
        return pc.if_else(pc.fill_null(self.condition(batch), False), pa.scalar(self.label), None)


@dataclass(frozen=True)
class Lookup:
    """Votes as a table of values says."""

    name: str
    feature: str
    table: Mapping[Any, Label]

    def labels(self, batch: pa.RecordBatch) -> pa.Array:
        """Return the label of each value, null for a value that the table lacks."""
        values = column(batch, self.feature, self.name)
        try:
            position = pc.index_in(values, value_set=pa.array(list(self.table), values.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise LabelingError(
                f"function {self.name!r}: wanted values of {self.feature!r} ({values.type}) in its table: {error}"
            ) from error
        return pa.array(list(self.table.values())).take(position)


@dataclass(frozen=True)
class BatchFunction:
    """A Python function over batches."""

    name: str
    function: Callable[[pa.RecordBatch], Any]
    label: Label | None = None

    def labels(self, batch: pa.RecordBatch) -> Any:
        """Return what the function returns; its true rows become the label where it has one."""
        found = self.function(batch)
        if self.label is None:
            return found
        is_true = found if isinstance(found, pa.Array | pa.ChunkedArray) else pa.array(found, pa.bool_())
        return pc.if_else(pc.fill_null(is_true, False), pa.scalar(self.label), None)


@dataclass(frozen=True)
class RowFunction:
    """A Python function over rows, such as one of snorkel's."""

    name: str
    function: Callable[[Any], Any]


def keyword(feature: str, words: Sequence[str], label: Label, *, name: str = "", whole_words: bool = False) -> Rule:
    """Vote for a class where a text has any of the words; upper and lower case are the same."""
    if isinstance(words, str) or not words:
        raise LabelingError(f"keyword on {feature!r}: wanted a list of words, got {words!r}")
    pattern = "|".join(map(re.escape, words))
    pattern = rf"\b(?:{pattern})\b" if whole_words else pattern
    return regex(feature, pattern, label, name=name or f"keyword_{words[0]}")


def regex(feature: str, pattern: str, label: Label, *, name: str = "", ignore_case: bool = True) -> Rule:
    """Vote for a class where a text matches a regular expression of RE2, which has no lookaround."""
    name = name or f"regex_{pattern}"
    try:
        pc.match_substring_regex(pa.array([""]), pattern, ignore_case=ignore_case)
    except pa.ArrowInvalid as error:
        raise LabelingError(
            f"function {name!r}: wanted a regular expression of RE2, got {pattern!r}: {error}"
        ) from error

    def condition(batch: pa.RecordBatch) -> pa.Array:
        return pc.match_substring_regex(_texts(batch, feature, name), pattern, ignore_case=ignore_case)

    return Rule(name, label, condition)


def threshold(
    feature: str, label: Label, *, above: float | None = None, below: float | None = None, name: str = ""
) -> Rule:
    """Vote for a class where a number is above or below a bound."""
    name = name or f"threshold_{feature}"
    _check_bounds(name, above, below)

    def condition(batch: pa.RecordBatch) -> pa.Array:
        return _between(_numbers(batch, feature, name), above, below)

    return Rule(name, label, condition)


def length(
    feature: str, label: Label, *, above: float | None = None, below: float | None = None, unit: Unit = "words"
) -> Rule:
    """Vote for a class where a text has more or fewer words, or characters, than a bound."""
    name = f"{unit}_{feature}"
    _check_bounds(name, above, below)

    def condition(batch: pa.RecordBatch) -> pa.Array:
        texts = _texts(batch, feature, name)
        return _between(pc.utf8_length(texts) if unit == "characters" else _words(texts), above, below)

    return Rule(name, label, condition)


def lookup(feature: str, table: Mapping[Any, Label], *, name: str = "") -> Lookup:
    """Vote as a table from values of a feature to classes says."""
    return Lookup(name or f"lookup_{feature}", feature, dict(table))


def sentiment(
    feature: str, label: Label, *, above: float | None = None, below: float | None = None, name: str = ""
) -> Rule:
    """Vote for a class where VADER's compound sentiment of a text, -1 to 1, is above or below a bound.

    Needs the package vaderSentiment, which reads about 5,000 texts a second.
    """
    name = name or f"sentiment_{feature}"
    _check_bounds(name, above, below)

    def condition(batch: pa.RecordBatch) -> pa.Array:
        analyzer = _vader(name)
        texts = _texts(batch, feature, name).to_pylist()
        scores = [None if text is None else analyzer.polarity_scores(text)["compound"] for text in texts]
        return _between(pa.array(scores, pa.float64()), above, below)

    return Rule(name, label, condition)


def batch_function(label: Label | None = None, *, name: str = "") -> Callable[[Callable[..., Any]], BatchFunction]:
    """Decorate a function of a record batch that returns a label (or None) per row, or with `label`, true or false."""
    return lambda function: BatchFunction(name or function.__name__, function, label)


def row_function(*, name: str = "") -> Callable[[Callable[..., Any]], RowFunction]:
    """Decorate a function of a row that returns a label, or None to abstain."""
    return lambda function: RowFunction(name or function.__name__, function)


def as_function(given: Any) -> LabelingFunction | RowFunction:
    """Return one entry of `labeling_functions`; LabelingError for what is no labeling function."""
    if isinstance(given, Rule | Lookup | BatchFunction | RowFunction):
        return given
    if hasattr(given, "labels") and hasattr(given, "name"):
        return given  # type: ignore[no-any-return]
    name = getattr(given, "name", None) or getattr(given, "__name__", "")
    if callable(given) and name:
        return RowFunction(str(name), given)
    raise LabelingError(
        f"labeling_functions: wanted labeling functions, got {given!r:.80}; declare one with keyword, regex, "
        "threshold, length, lookup or sentiment, or decorate a Python function with batch_function"
    )


def _texts(batch: pa.RecordBatch, feature: str, name: str) -> pa.Array:
    values = column(batch, feature, name)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise LabelingError(f"function {name!r}: wanted text in {feature!r}, got {values.type}")
    return values


def _numbers(batch: pa.RecordBatch, feature: str, name: str) -> pa.Array:
    values = column(batch, feature, name)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise LabelingError(
            f"function {name!r}: wanted a number in {feature!r}, got {values.type}; `length` is for text"
        )
    return values


def _words(texts: pa.Array) -> pa.Array:
    """Return the number of words of each text; four times as fast as counting matches of a regular expression."""
    trimmed = pc.utf8_trim_whitespace(texts)
    counts = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), 0, counts)


def _check_bounds(name: str, above: float | None, below: float | None) -> None:
    if above is None and below is None:
        raise LabelingError(f"function {name!r}: wanted a bound, above or below or both, got none")


def _between(values: pa.Array, above: float | None, below: float | None) -> pa.Array:
    found = pa.array(np.ones(len(values), np.bool_))
    if above is not None:
        found = pc.and_(found, pc.greater(values, above))
    if below is not None:
        found = pc.and_(found, pc.less(values, below))
    return found


@cache
def _vader(name: str) -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415 - an optional package
    except ImportError:
        raise LabelingError(
            f"function {name!r}: wanted the package vaderSentiment, which is not installed; "
            "`uv sync --group sentiment`, or leave the function out"
        ) from None
    return SentimentIntensityAnalyzer()
