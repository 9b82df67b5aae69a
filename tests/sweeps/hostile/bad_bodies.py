"""Bodies that are wrong in one place that must be named, and bodies that are wrong in any way."""

import json
import random
import re
from typing import NamedTuple

from tests.unit.serving.bad_values import BAD_VALUES
from tests.unit.serving.http.fuzz import ROW, body

_ROWS = (1, 2, 5, 20)
_PLACE = re.compile(
    r"(instances|inputs|examples|context|outputs|parameters|id|signature_name|the request|the body|JSON Parse error|"
    r"Serving signature name|wanted exactly one of|wanted 'examples'|Content-)"
)


class Body(NamedTuple):
    """A body, and how the error about it must begin."""

    content: bytes
    error: str
    """Empty when nobody knows what is wrong with it, if anything is."""


def made(seed: int) -> Body:
    """Make the body of a number; half of them are good rows with one bad value."""
    chosen = random.Random(seed)
    return _one_bad_value(chosen) if seed % 2 else Body(body(chosen), "")


def _one_bad_value(chosen: random.Random) -> Body:
    field, text, error = chosen.choice(BAD_VALUES)
    rows = [json.dumps(ROW)] * chosen.choice(_ROWS)
    at = chosen.randrange(len(rows))
    rows[at] = json.dumps(ROW | {field: "@"}).replace('"@"', text)
    return Body(f'{{"instances": [{", ".join(rows)}]}}'.encode(), error.replace("instances[1]", f"instances[{at}]"))


def fault(body: Body, status: int, answer: bytes) -> str:
    """Say what is wrong with an answer; empty when nothing is."""
    try:
        document = json.loads(answer, parse_constant=_no_number)
    except ValueError as error:
        return f"status {status} with {answer[:80]!r}: {error}"
    if status >= 500:
        return "" if document.get("code") == "NON_FINITE_OUTPUT" else f"status {status}: {document}"
    if body.error:
        named = status == 400 and document["error"].startswith(body.error)
        return "" if named else f"status {status}, wanted an error {body.error!r}, got {document}"
    if status != 200 and not _PLACE.match(document.get("error", "")):
        return f"status {status} without a place: {document}"
    return ""


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
