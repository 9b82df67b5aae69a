"""Patterns of spans, which are numbers, days or months.

A pattern is an absolute path, or an address in an object store, with `*` or `?` anywhere in a name, and with one of,
once each,

- `{SPAN}` (or `{SPAN:3}`, zero-padded to three digits): a number;
- `{YYYY}`, `{MM}` and `{DD}`, in any order and in one name or several: a day. Its span is the number of days since
  1970-01-01, as in TFX, so that the span before it is the previous day;
- `{YYYY}` and `{MM}` alone: a month. Its span is the number of months since January 1970.

Messages and the command line use `2024-01-31` and `2024-01`; runs are pinned to the number.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from core import objects
from core.errors import UsageError

Location = Path | str
"""A path on this machine, or an address in an object store."""
SpanUnit = Literal["number", "day", "month"]

_EPOCH = date(1970, 1, 1)
_TOKEN = re.compile(r"\{SPAN(?::([1-9]))?\}|\{(YYYY|MM|DD)\}|([*?])")
_UNITS: Mapping[frozenset[str], SpanUnit] = {
    frozenset({"SPAN"}): "number",
    frozenset({"YYYY", "MM", "DD"}): "day",
    frozenset({"YYYY", "MM"}): "month",
}
_MONTH, _DAY = re.compile(r"(\d{4})-?(\d{2})"), re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


def span_unit(pattern: str) -> SpanUnit:
    """Return the unit of a pattern's spans; UsageError for a pattern with missing or repeated tokens."""
    tokens = [match[2] or "SPAN" for match in _TOKEN.finditer(pattern) if not match[3]]
    unit = _UNITS.get(frozenset(tokens))
    if (
        unit is None
        or len(set(tokens)) < len(tokens)
        or len(tokens) != len(re.findall(r"\{(?:SPAN|YYYY|MM|DD)", pattern))
    ):
        raise UsageError(
            f"{pattern}: wanted {{SPAN}} (or {{SPAN:3}}, "
            f"zero-padded) exactly once in the source's pattern, or {{YYYY}}, {{MM}} "
            "and {DD} once each for spans of a day, or {YYYY} and {MM} for spans of a month"
        )
    return unit


def is_spanless(pattern: str) -> bool:
    """Whether a pattern has no token of a span: all of its files are span 0."""
    return not re.search(r"\{(?:SPAN|YYYY|MM|DD)", pattern)


def label(pattern: str, span: int) -> str:
    """Return a span's label: its number, or its day or month."""
    if "{DD}" in pattern:
        return (_EPOCH + timedelta(days=span)).isoformat()
    if "{MM}" in pattern:
        return f"{1970 + span // 12:04d}-{span % 12 + 1:02d}"
    return str(span)


def labels(pattern: str, spans: Sequence[int]) -> str:
    """Return the labels of several spans, separated by commas."""
    return ", ".join(label(pattern, span) for span in spans)


def parse_span(pattern: str, text: str | int | date) -> int:
    """Parse a span's label, such as `4`, `2024-01-31` or `2024-01`; UsageError for any other text."""
    unit = span_unit(pattern)
    written = str(text)
    match = None
    if unit == "month":
        match = _MONTH.fullmatch(written)
    elif unit == "day":
        match = _DAY.fullmatch(written)
    span = None if match is None else _of_date([int(part) for part in match.groups()])
    if span is not None:
        return span
    if written.isdecimal():
        return int(written)
    wanted = {"number": "a number", "day": "a day such as 2024-01-31", "month": "a month such as 2024-01"}[unit]
    raise UsageError(f"span {written}: wanted {wanted}, as the source's pattern {pattern} has it")


def span_of(parts: Mapping[str, str]) -> int | None:
    """Return the span of a path's tokens, 0 for none; None for an invalid date."""
    if not parts:
        return 0
    if "SPAN" in parts:
        return int(parts["SPAN"])
    return _of_date([int(parts[token]) for token in ("YYYY", "MM", "DD") if token in parts])


def split(pattern: str, *, spanless: bool = False) -> tuple[Location, list[str]]:
    """Split a pattern into its fixed folder and the names below it; UsageError for an invalid pattern.

    With `spanless` it may have no span.
    """
    if not (spanless and is_spanless(pattern)):
        span_unit(pattern)
    scheme, path = "", Path(pattern)
    if objects.is_address(pattern):
        scheme = f"{pattern.partition('//')[0]}/"
        path = Path(pattern.removeprefix(scheme))
    if not path.is_absolute() or ".." in path.parts:
        raise UsageError(
            f"{pattern}: wanted an absolute path, or an s3:// or gs:// address, without '..' as the source's pattern"
        )
    last = len(path.parts) - 1
    wild = next((index for index, part in enumerate(path.parts) if _TOKEN.search(part)), last)
    fixed = Path(*path.parts[:wild])
    return objects.checked(f"{scheme}{fixed}") if scheme else fixed, list(path.parts[wild:])


def matcher(name: str) -> re.Pattern[str]:
    """Turn one name of a pattern into a regular expression with a group for each token.

    A wildcard does not match hidden files, as in a shell.
    """
    expression, end = "", 0
    for token in _TOKEN.finditer(name):
        expression += re.escape(name[end : token.start()])
        width, part, wildcard = token.groups()
        if wildcard:
            expression += {"*": "[^/]*", "?": "[^/]"}[wildcard]
        elif part:
            expression += rf"(?P<{part}>[0-9]{{{len(part)}}})"
        else:
            expression += rf"(?P<SPAN>[0-9]{{{width}}})" if width else "(?P<SPAN>0|[1-9][0-9]{0,17})"
        end = token.end()
    hidden = "" if name.startswith(".") else r"(?!\.)"
    return re.compile(hidden + expression + re.escape(name[end:]))


def date_tokens(spans: Sequence[int]) -> str:
    """Return the tokens to write instead of `{SPAN}` when all numbers are dates without separators, else ""."""
    for expression, tokens in ((_DAY, "{YYYY}{MM}{DD}"), (_MONTH, "{YYYY}{MM}")):
        matches = [expression.fullmatch(str(span)) for span in spans]
        if matches and all(match and _of_date([int(part) for part in match.groups()]) for match in matches):
            return tokens
    return ""


def _of_date(parts: list[int]) -> int | None:
    """Return the days since 1970-01-01 of [year, month, day], or the months since 1970-01 of [year, month]."""
    try:
        day = datetime(*[*parts, 1][:3], tzinfo=UTC).date()  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    days, months = (day - _EPOCH).days, (day.year - _EPOCH.year) * 12 + day.month - 1
    span = days if len(parts) == 3 else months
    return span if span >= 0 else None
