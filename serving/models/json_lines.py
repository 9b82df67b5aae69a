"""Predicts the rows of a JSON-lines file, with the same checks as for a request."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import DataError, EmptyDataset
from serving.bodies import requests
from serving.bodies.columns import Column
from serving.bodies.strict_json import Refused, parse
from serving.errors import RequestError
from serving.limits import Limits
from serving.models.bulk import BATCH_ROWS, Bulk, Outputs
from serving.models.savedmodel import serialize

_PLACE = re.compile(r"instances\[(\d+)\](?:\.([^:]+))?: ")


class Line(NamedTuple):
    """One row of a file and its line number."""

    number: int
    row: dict[str, Any]


def predict_lines(bulk: Bulk, path: Path, lines: Sequence[Line]) -> Outputs:
    """Predict rows of a JSON-lines file; DataError names file, line and field."""
    with _named(path, lines):
        if bulk.signature.takes_examples:
            examples = serialize(requests.example_rows(_question(bulk, lines), bulk.rows, len(lines)))
            return bulk.run({bulk.signature.inputs[0].name: examples})
    return bulk.run(fed_lines(bulk, path, lines))


def fed_lines(bulk: Bulk, path: Path, lines: Sequence[Line]) -> dict[str, Column]:
    """Return the tensors of raw features of rows of a JSON-lines file; DataError names file, line and field."""
    with _named(path, lines):
        return dict(requests.feeds(_question(bulk, lines), bulk.rows, len(lines)).columns)


def _question(bulk: Bulk, lines: Sequence[Line]) -> requests.Question:
    rows = [{name: value for name, value in line.row.items() if name not in bulk.ignored} for line in lines]
    return requests.Question(bulk.rows.name, "instances", rows, {})


@contextmanager
def _named(path: Path, lines: Sequence[Line]) -> Iterator[None]:
    """Name file and line where a request's error has the row."""
    try:
        yield
    except RequestError as error:
        raise DataError(_PLACE.sub(lambda found: _line(path, lines, found), str(error), count=1)) from None


def read_json_lines(path: Path) -> Iterator[list[Line]]:
    """Yield a JSON-lines file in batches; DataError names file, line and column, EmptyDataset if it has no rows."""
    limits = Limits()
    batch: list[Line] = []
    count = 0
    with path.open("rb") as stream:
        for number, raw in enumerate(iter(lambda: stream.readline(limits.body_bytes + 1), b""), 1):
            text = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if not text.strip():
                continue
            batch.append(Line(number, _row(path, number, text, limits)))
            count += 1
            if len(batch) == BATCH_ROWS:
                yield batch
                batch = []
    if batch:
        yield batch
    if count == 0:
        raise EmptyDataset(f"{path}: wanted at least one row, got none")


def _row(path: Path, number: int, text: bytes, limits: Limits) -> dict[str, Any]:
    try:
        row = parse(text, limits)
    except RequestError as error:
        message = re.sub(r" at line 1 column (\d+)$", r" at column \1", str(error).removeprefix("JSON Parse error: "))
        raise DataError(f"{path}:{number}: wanted one JSON object in a line, got {message}") from None
    if isinstance(row, Refused):
        raise DataError(f"{path}:{number}: {row.why}")
    if type(row) is not dict:
        raise DataError(f"{path}:{number}: wanted one JSON object in a line, got {type(row).__name__}")
    return row


def _line(path: Path, lines: Sequence[Line], found: re.Match[str]) -> str:
    field = f"feature {found[2]!r}: " if found[2] else ""
    return f"{path}:{lines[int(found[1])].number}: {field}"
