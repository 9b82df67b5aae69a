"""Reads the raw rows of a file and predicts them; types are checked as strictly as in training data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.model.features import Features
from artifacts.model.schema_features import schema_features
from artifacts.schema.schema_file import read_schema
from artifacts.spans import readers
from artifacts.spans.feature_types import FeatureType, TypeName
from artifacts.spans.files import SourceFile
from artifacts.spans.pattern import Location
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Fault, Rejects
from artifacts.spans.timestamps import Timestamp
from components.ingest_examples.config import Config as IngestExamples
from components.ingest_examples.config import TimestampColumn
from core.errors import DataError, UsageError
from core.user_code import resolve
from pipelines.config import UseCase
from serving.bodies.columns import Column
from serving.models.bulk import BATCH_ROWS, Bulk, only_values
from serving.models.json_lines import Line, fed_lines, predict_lines, read_json_lines
from serving.models.savedmodel import SavedModel

_Made = TypeVar("_Made")
_KINDS: dict[str, TypeName] = {"float32": "FLOAT", "int64": "INT", "string": "BYTES"}


@dataclass(frozen=True)
class _Cell(FeatureType):
    """The cells of one feature."""

    required: bool = True
    missing: frozenset[str] = frozenset({""})

    def parse(self, text: str) -> int | float | bytes | None:  # type: ignore[override] # null is what the reader makes of None
        """Read text; None for a missing optional value, ValueError for a missing required one."""
        if text not in self.missing:
            return super().parse(text)
        if self.required:
            raise ValueError(f"this feature is required, got {text!r}")
        return None


@dataclass(frozen=True)
class _Time(Timestamp):
    """A column of times; required when one of its parts is a required feature."""

    required: bool = True
    missing: frozenset[str] = frozenset({""})

    def parse(self, text: str) -> int | None:  # type: ignore[override] # null is what the reader makes of None
        """Read text as seconds since 1970; None for a missing optional time, ValueError for a missing required one."""
        if text not in self.missing:
            return super().parse(text)
        if self.required:
            raise ValueError(f"this time is required, got {text!r}")
        return None


class _NoRejects(Rejects):
    """Rejects no row: every row of the file needs a prediction."""

    def add(self, fault: Fault, path: Location) -> None:
        """Raise DataError with file, line and column."""
        place = f"{path}:{fault.line}:{fault.column}" if fault.column else f"{path}:{fault.line}"
        raise DataError(f"{place}: {fault.reason}; correct the row")


FORMATS = {".csv": "csv", ".jsonl": "", ".parquet": "parquet"}
"""Suffix of a file of rows -> its format in `ingest_examples`; JSON lines are read as a server reads requests."""


class _Use(NamedTuple, Generic[_Made]):
    """What is made of a batch of rows, by the form in which the file has them."""

    of_columns: Callable[[pa.RecordBatch, int], _Made]
    """Given the batch, and the number of rows before it."""
    of_lines: Callable[[Sequence[Line]], _Made]


def predictions(usecase: UseCase, saved_model: Path, file: Path) -> Iterator[list[Any]]:
    """Yield the predictions of a .csv, .jsonl or .parquet file in batches, in the order of its rows.

    Declared times become features as in `ingest_examples`. The label, the columns that no request has, and those that
    `ingest_examples.leave_out` names are ignored. Raises DataError, with file, line and column or feature, for a row
    that cannot be predicted, and EmptyDataset for a file without rows.
    """
    bulk = _bulk(usecase, SavedModel(saved_model))
    use = _Use(
        lambda batch, first: only_values(bulk.predict(batch, first=first)),
        lambda lines: only_values(predict_lines(bulk, file, lines)),
    )
    yield from _batches(usecase, bulk, file, use)


def row_inputs(usecase: UseCase, model: SavedModel, file: Path, number: int) -> dict[str, Column]:
    """Return the tensors of raw features of one row of a file, counted from 1.

    Raises as `predictions`, and UsageError for a row that the file does not have.
    """
    bulk = _bulk(usecase, model)
    use = _Use(bulk.fed, lambda lines: fed_lines(bulk, file, lines))
    first = 0
    for fed in _batches(usecase, bulk, file, use):
        rows = len(next(iter(fed.values())))
        if number <= first + rows:
            return {name: values[number - first - 1 : number - first] for name, values in fed.items()}
        first += rows
    raise UsageError(f"--row {number}: wanted a row of {file}, which has {first}")


def _bulk(usecase: UseCase, model: SavedModel) -> Bulk:
    features = model.features or _schema_features(usecase)
    return Bulk(model, features, _not_served(usecase, features))


def _batches(usecase: UseCase, bulk: Bulk, file: Path, use: _Use[_Made]) -> Iterator[_Made]:
    features = bulk.features
    section = usecase.configured("ingest_examples")
    times = {name: _time(name, one, features, section) for name, one in section.timestamps.items()}
    if name := FORMATS[file.suffix]:
        yield from _columns(section.model_copy(update={"format": name}), bulk, times, (file, use))
        return
    for lines in read_json_lines(file):
        for name, time in times.items():
            lines = _with_parts(file, lines, name, time)  # noqa: PLW2901 - one time after the other
        yield use.of_lines(_without_unused(lines, times, features))


def _columns(
    section: IngestExamples, bulk: Bulk, times: Mapping[str, _Time], asked: tuple[Path, _Use[_Made]]
) -> Iterator[_Made]:
    file, use = asked
    missing = frozenset(section.missing)
    types: dict[str, FeatureType] = {
        f.name: _Cell(_KINDS[f.dtype], required=f.required, missing=missing) for f in bulk.features.features
    }
    options = ReadOptions(
        types,
        missing=frozenset(),
        delimiter=section.delimiter,
        leave_out=bulk.ignored,
        timestamps=times,
        nulls_in_lists=section.nulls_in_lists,
        max_record_bytes=section.max_record_bytes,
        batch_rows=BATCH_ROWS,
    )
    unused = _parts(times) - set(bulk.features.by_name)
    is_text = section.format == "csv"
    rows = 0
    for batch in readers.reader(section.format)(SourceFile(0, file, file.name), options, _NoRejects(0, file)):
        if rows == 0:
            place = f"{file}:1" if is_text else str(file)
            bulk.check_header([name for name in batch.schema.names if name not in unused], place)
            if is_text:
                _check_cells(bulk.features, place)
        try:
            yield use.of_columns(batch, rows)
        except DataError as error:
            raise DataError(f"{file}: {error}") from None
        rows += batch.num_rows


def _check_cells(features: Features, place: str) -> None:
    """Raise DataError for a model with features of several values, which a cell of text cannot hold."""
    if vectors := [feature.name for feature in features.features if feature.shape not in {(), (None,)}]:
        raise DataError(
            f"{place}: {', '.join(vectors)}: a cell of a CSV file holds one value; "
            "wanted a .jsonl or .parquet file for a model with features of several"
        )


def _time(name: str, column: TimestampColumn, features: Features, section: IngestExamples) -> _Time:
    """Describe a column of times; it is required when one of its parts is a required feature."""
    parts = (features.by_name.get(f"{name}_{part}") for part in column.parts)
    required = any(part is not None and part.required for part in parts)
    return _Time(column.parts, column.format, required=required, missing=frozenset(section.missing))


def _parts(times: Mapping[str, _Time]) -> set[str]:
    """Return the names of the features that times become."""
    return {f"{name}_{part}" for name, time in times.items() for part in time.parts}


def _with_parts(file: Path, lines: Sequence[Line], name: str, time: _Time) -> list[Line]:
    """Replace a time by its parts in the rows of a JSON-lines file; a row may have the parts instead of the time."""
    seconds = [_seconds(file, line, name, time) for line in lines]
    parts = time.features(name, pa.array(seconds, pa.int64()))
    values = {part: column.to_pylist() for part, column in parts.items()}
    found = []
    for at, line in enumerate(lines):
        row = {key: value for key, value in line.row.items() if key != name}
        if seconds[at] is not None:
            row |= {part: column[at] for part, column in values.items()}
        found.append(Line(line.number, row))
    return found


def _seconds(file: Path, line: Line, name: str, time: _Time) -> int | None:
    """Read the time of a row as seconds since 1970; None for a row without it."""
    place, text = f"{file}:{line.number}: time {name!r}", line.row.get(name)
    given = sorted(_parts({name: time}) & line.row.keys())
    if text is None:
        if time.required and not given:
            raise DataError(f"{place}: this time is required, got none; write it as text, or give its parts")
        return None
    if given:
        raise DataError(f"{place}: the row has {', '.join(given)} too; remove one of the two")
    if not isinstance(text, str):
        raise DataError(f"{place}: wanted a time as text, got {text!r}")
    try:
        return time.parse(text)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None


def _without_unused(lines: Sequence[Line], times: Mapping[str, _Time], features: Features) -> list[Line]:
    """Leave out the parts of times that are no features of the model."""
    unused = _parts(times) - set(features.by_name)
    return [Line(number, {name: value for name, value in row.items() if name not in unused}) for number, row in lines]


def _not_served(usecase: UseCase, features: Features) -> frozenset[str]:
    """Return the columns to ignore: features of the schema that no request has, and those that `leave_out` names."""
    schema = read_schema(resolve(usecase.schema_file))
    known = {feature.name for feature in schema.feature} | set(usecase.configured("ingest_examples").leave_out)
    return frozenset(known - set(features.by_name))


def _schema_features(usecase: UseCase) -> Features:
    """Return the schema's serving features, for a model without a features.json, as a TFX module exports."""
    schema = read_schema(resolve(usecase.schema_file))
    return Features(schema_features(schema, usecase.problem.label), usecase.problem.label)
