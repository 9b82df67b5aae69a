"""Predicts many rows in this process, held to the same rules as a request."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.errors import DataError, EmptyDataset, did_you_mean
from serving import requests, responses
from serving.columns import Column
from serving.errors import ModelError, RequestError
from serving.limits import Limits
from serving.savedmodel import SavedModel, serialize
from serving.signature import DEFAULT_SIGNATURE, Features, Signature
from serving.strict_json import Refused, parse

BATCH_ROWS = 4096
_PLACE = re.compile(r"instances\[(\d+)\](?:\.([^:]+))?: ")


class Line(NamedTuple):
    """One row of a file and the number of its line."""

    number: int
    row: dict[str, Any]


class Bulk:
    """One model, asked by rows or by columns; `features` are the model's own, or the schema's for a model made elsewhere."""

    def __init__(self, model: SavedModel, features: Features) -> None:
        self.features = features
        self._model = model
        self._signature = model.signature(DEFAULT_SIGNATURE)
        self._raw = Signature("rows", features.fields, ())
        if not self._signature.takes_examples and set(self._signature.fields) != set(features.by_name):
            raise ModelError(
                f"the model takes {', '.join(self._signature.fields)}, but the features are {', '.join(features.by_name)}"
            )

    def check_header(self, names: Sequence[str], place: str) -> None:
        """Raise DataError for a column that is no feature, and for a required feature without a column."""
        known = {*self.features.by_name, self.features.label}
        for name in names:
            if name not in known:
                raise DataError(
                    f"{place}: unknown column {name!r}{did_you_mean(name, known)}; remove it, or correct its name"
                )
        if absent := sorted(self._raw.required - set(names)):
            raise DataError(f"{place}: wanted columns for all required features, got none for {', '.join(absent)}")

    def lines(self, path: Path, lines: Sequence[Line]) -> list[Any]:
        """Predict rows of a JSON-lines file; DataError names file, line and field."""
        rows = [{name: value for name, value in line.row.items() if name != self.features.label} for line in lines]
        try:
            feeds = requests.feeds(requests.Question(self._raw.name, "instances", rows, {}), self._raw, len(rows))
        except RequestError as error:
            raise DataError(_PLACE.sub(lambda found: _line(path, lines, found), str(error), count=1)) from None
        return self.columns(feeds.columns)

    def columns(self, columns: Mapping[str, Column]) -> list[Any]:
        """Predict rows given as one array per feature, missing values encoded as the exported graph knows them."""
        if self._signature.takes_examples:
            columns = {self._signature.inputs[0].name: serialize(_examples(columns))}
        outputs = self._model.run(self._signature, columns)
        responses.require_finite(outputs)
        if len(outputs) != 1:
            raise ModelError(f"wanted a model with one output, got {', '.join(outputs)}")
        values: list[Any] = next(iter(outputs.values())).tolist()
        return values


def read_json_lines(path: Path) -> Iterator[list[Line]]:
    """Yield the rows of a JSON-lines file in batches; DataError names file, line and column, EmptyDataset when there is no row."""
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


def _examples(columns: Mapping[str, Column]) -> list[dict[str, list[Any]]]:
    """Turn columns into rows without the missing values, as a tf.Example has it."""
    present = {name: _present(values) for name, values in columns.items()}
    rows = range(len(next(iter(columns.values()))))
    return [
        {
            name: [values[row].item() if hasattr(values[row], "item") else values[row]]
            for name, values in columns.items()
            if present[name][row]
        }
        for row in rows
    ]


def _present(values: Column) -> Any:
    if values.dtype == object:
        return values != b""
    return ~np.isnan(values) if values.dtype.kind == "f" else values != -1
