"""Predicts many rows in this process, with the same checks as for a request."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from artifacts.model.features import Features
from artifacts.model.request import tensors
from core.errors import DataError, EmptyDataset, did_you_mean
from serving.bodies import requests, responses
from serving.bodies.columns import Column
from serving.bodies.strict_json import Refused, parse
from serving.errors import ModelError, RequestError
from serving.limits import Limits
from serving.models.savedmodel import SavedModel, serialize
from serving.signature import DEFAULT_SIGNATURE, Signature, feature_fields

BATCH_ROWS = 4096
_PLACE = re.compile(r"instances\[(\d+)\](?:\.([^:]+))?: ")


class Line(NamedTuple):
    """One row of a file and its line number."""

    number: int
    row: dict[str, Any]


class Bulk:
    """One model that predicts rows or columns.

    `features` are its own, or the schema's for one made elsewhere; what a row has of `ignored` is left out.
    """

    def __init__(self, model: SavedModel, features: Features, ignored: Collection[str] = ()) -> None:
        self.features = features
        self.ignored = frozenset(ignored) | {features.label}
        self._model = model
        self._signature = model.signature(DEFAULT_SIGNATURE)
        self._rows = model.rows or Signature("rows", feature_fields(features), ())
        if not self._signature.takes_examples and set(self._signature.fields) != set(features.by_name):
            raise ModelError(
                f"the model takes {', '.join(self._signature.fields)}, "
                f"but the features are {', '.join(features.by_name)}"
            )

    def check_header(self, names: Sequence[str], place: str) -> None:
        """Raise DataError for an unknown column, and for a required feature without a column."""
        known = self.ignored.union(self.features.by_name)
        for name in names:
            if name not in known:
                raise DataError(
                    f"{place}: unknown column {name!r}{did_you_mean(name, known)}; remove it, or correct its name"
                )
        if absent := sorted(self._rows.required - set(names)):
            raise DataError(f"{place}: wanted columns for all required features, got none for {', '.join(absent)}")
        if vectors := [feature.name for feature in self.features.features if feature.shape not in {(), (None,)}]:
            raise DataError(
                f"{place}: {', '.join(vectors)}: a cell of a CSV file holds one value; "
                "wanted a .jsonl file for a model with features of several"
            )

    def lines(self, path: Path, lines: Sequence[Line]) -> list[Any]:
        """Predict rows of a JSON-lines file; DataError names file, line and field."""
        rows = [{name: value for name, value in line.row.items() if name not in self.ignored} for line in lines]
        question = requests.Question(self._rows.name, "instances", rows, {})
        try:
            if self._signature.takes_examples:
                return self._examples(requests.example_rows(question, self._rows, len(rows)))
            return self._run(requests.feeds(question, self._rows, len(rows)).columns)
        except RequestError as error:
            raise DataError(_PLACE.sub(lambda found: _line(path, lines, found), str(error), count=1)) from None

    def columns(self, columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        """Predict rows given as one list per feature: int, float or bytes, or None where the row lacks it."""
        if self._signature.takes_examples:
            rows = zip(*columns.values(), strict=True)
            return self._examples(
                [{name: [value] for name, value in zip(columns, row, strict=True) if value is not None} for row in rows]
            )
        fed: dict[str, Column] = {}
        for name, values in columns.items():
            feature = self.features.by_name[name]
            cells = [value if value is None else [value] for value in values] if feature.is_list else values
            fed |= tensors(feature, cells)
        return self._run(fed)

    def _examples(self, rows: list[dict[str, list[Any]]]) -> list[Any]:
        return self._run({self._signature.inputs[0].name: serialize(rows)})

    def _run(self, columns: Mapping[str, Column]) -> list[Any]:
        outputs = self._model.run(self._signature, columns)
        responses.require_finite(outputs)
        if len(outputs) != 1:
            raise ModelError(f"wanted a model with one output, got {', '.join(outputs)}")
        values: list[Any] = next(iter(outputs.values())).tolist()
        return values


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
