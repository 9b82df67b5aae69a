"""Reads outcomes line by line; an invalid line is returned as a fault, with file and line, and never raised."""

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, NamedTuple, TypeVar

_LONGEST = 1 << 16
"""Bytes of the longest line that is read; longer ones are faults."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = TypeVar("Row")


class Outcome(NamedTuple):
    """A label that became known."""

    key: str
    label: str | int | float
    time_us: int
    """When it became known, in microseconds since 1970, UTC."""
    where: str
    """`file:line`."""


class Fault(NamedTuple):
    """A line that is no outcome."""

    where: str
    """`file:line`."""
    reason: str
    is_torn: bool = False
    """Whether it is the end of a file that is still being written."""


def read(stream: BinaryIO, name: str) -> Iterator[Outcome | Fault]:
    """Yield an outcome or a fault for each line that is not empty; `name` is the file's name in faults.

    A last line without its end is read if it is a complete object, and else a fault that is torn.
    """
    yield from parsed_lines(stream, name, _parsed)


def parsed_lines(
    stream: BinaryIO, name: str, parse: Callable[[dict[str, Any], str], Row | Fault]
) -> Iterator[Row | Fault]:
    """Yield what `parse` makes of the JSON object of each line that is not empty, and its place, or a fault."""
    number = 0
    while line := stream.readline(_LONGEST + 1):
        number += 1
        where = f"{name}:{number}"
        if len(line) > _LONGEST:
            is_ended = _skip_line(stream, line)
            yield Fault(where, f"wanted a line of at most {_LONGEST} bytes, got a longer one", is_torn=not is_ended)
            continue
        if not line.strip():
            continue
        content = _object(line, where)
        found = content if isinstance(content, Fault) else parse(content, where)
        if isinstance(found, Fault) and not line.endswith(b"\n"):
            found = found._replace(is_torn=True)
        yield found


def time_us(written: Any) -> int:
    """Return an RFC 3339 time in microseconds since 1970; ValueError, with wanted and got, for anything else."""
    wanted = f"wanted a time with its zone, such as 2013-10-08T06:00:00Z, got {written!r:.80}"
    try:
        time = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        raise ValueError(wanted) from None
    if time.tzinfo is None:
        raise ValueError(wanted)
    return (time - _EPOCH) // timedelta(microseconds=1)


def written(microseconds: int) -> str:
    """Return a time as RFC 3339 in UTC, without a fraction that is zero."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")


def label_fault(label: Any) -> str:
    """Return what is wrong with a label of any use case, empty for text and finite numbers."""
    if isinstance(label, bool) or not isinstance(label, str | int | float) or not _is_finite(label):
        return f"label: wanted text or a finite number, got {label!r:.80}"
    return ""


def _object(line: bytes, where: str) -> dict[str, Any] | Fault:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return Fault(where, f"wanted a JSON object, got {line[:80]!r}")
    if not isinstance(content, dict):
        return Fault(where, f"wanted a JSON object, got {type(content).__name__}")
    return content


def _parsed(content: dict[str, Any], where: str) -> Outcome | Fault:
    key, label = content.get("key"), content.get("label")
    if not isinstance(key, str) or not key:
        return Fault(where, f"key: wanted text, got {key!r:.80}")
    if fault := label_fault(label):
        return Fault(where, fault)
    assert isinstance(label, str | int | float)
    try:
        return Outcome(key, label, time_us(content.get("time")), where)
    except (ValueError, OverflowError) as error:
        return Fault(where, f"time: {error}")


def _is_finite(label: str | float) -> bool:
    return isinstance(label, str | int) or math.isfinite(label)


def _skip_line(stream: BinaryIO, start: bytes) -> bool:
    """Read to the end of a line in pieces; return whether it has an end."""
    piece = start
    while piece and not piece.endswith(b"\n"):
        piece = stream.readline(_LONGEST)
    return bool(piece)
