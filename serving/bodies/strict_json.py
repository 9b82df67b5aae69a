"""Strict JSON parsing: finds what Python's parser silently accepts or alters.

Depth and size are checked before parsing. NaN, Infinity, numbers beyond double precision, endless integers and
duplicate keys become a `Refused` in the place of the value, so that the caller can name the field.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from serving.errors import bad_request, too_large
from serving.limits import Limits

MAX_DIGITS = 40
"""More digits than any integer that a tensor holds; Python parses long integers in quadratic time."""
MAX_CHARACTERS = 400
"""More characters than any program writes for a number with a point or an exponent."""
STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
"""Also matches a string that is never closed: a failed match would be tried again at every later quote, in quadratic
time."""
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


@dataclass(frozen=True)
class Refused:
    """Replaces an invalid value; `why` completes 'instances[0].x: ...'."""

    why: str


def parse(body: bytes, limits: Limits) -> Any:
    """Parse one JSON document of a request.

    Raises RequestError: 413 when it is too large, 400 when it is too deep, not UTF-8 or not JSON.
    """
    if len(body) > limits.body_bytes:
        raise too_large(
            f"the body has {len(body)} bytes, the most is {limits.body_bytes}; send fewer rows in one request"
        )
    if _deeper_than(body, limits.depth):
        raise bad_request(f"JSON Parse error: nested deeper than {limits.depth} levels")
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_constant=_constant,
            parse_int=_int,
            parse_float=_float,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise bad_request(f"JSON Parse error: not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise bad_request(f"JSON Parse error: {error.msg} at line {error.lineno} column {error.colno}") from None


def _deeper_than(body: bytes, most: int) -> bool:
    if body.count(b"[") + body.count(b"{") <= most:
        return False
    depth = 0
    for bracket in STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > most:
            return True
    return False


def _constant(text: str) -> Refused:
    return Refused(f"wanted a finite number, got {text}, which is not JSON")


def _int(text: str) -> int | Refused:
    if len(text) > MAX_DIGITS:
        return Refused(f"wanted a number, got one of {len(text)} digits")
    return int(text)


def _float(text: str) -> float | Refused:
    if len(text) > MAX_CHARACTERS:
        return Refused(f"wanted a number, got one of {len(text)} characters")
    value = float(text)
    return (
        value
        if math.isfinite(value)
        else Refused(f"wanted a finite number, got {text[:MAX_DIGITS]}, which no double holds")
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Refused:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return Refused(f"the key {key[:80]!r} appears twice")
        seen.add(key)
    raise AssertionError("unreachable: fewer keys than pairs means a repeated key")
