"""Predicts the raw rows of a file with one model version; types are as strict as for training data."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.model.features import Feature, Features
from artifacts.model.schema_features import schema_features
from artifacts.schema.schema_file import read_schema
from artifacts.spans import csv_rows
from artifacts.spans.feature_types import FeatureType, Kind
from artifacts.spans.files import SourceFile
from artifacts.spans.pattern import Place
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Fault, Rejects
from artifacts.spans.timestamps import Timestamp
from components.ingest_examples.config import TimestampColumn
from core.errors import DataError
from core.user_code import resolve
from pipelines.config import UseCase
from serving.models.bulk import BATCH_ROWS, Bulk, read_json_lines
from serving.models.savedmodel import SavedModel

_KINDS: dict[str, Kind] = {"float32": "FLOAT", "int64": "INT", "string": "BYTES"}


@dataclass(frozen=True)
class _Cell(FeatureType):
    """A cell of a feature that is required or optional in a request."""

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
    """A cell of a time whose parts are features that a request must have, or may leave out."""

    required: bool = True
    missing: frozenset[str] = frozenset({""})

    def parse(self, text: str) -> int | None:  # type: ignore[override] # null is what the reader makes of None
        """Read text; None for a missing time that no row need have, ValueError for a missing required one."""
        if text not in self.missing:
            return super().parse(text)
        if self.required:
            raise ValueError(f"this time is required, got {text!r}")
        return None


class _NoRejects(Rejects):
    """Lets no row be left out: every row of the file gets a prediction."""

    def add(self, fault: Fault, path: Place) -> None:
        """Stop at the row; DataError names its file, line and column."""
        place = f"{path}:{fault.line}:{fault.column}" if fault.column else f"{path}:{fault.line}"
        raise DataError(f"{place}: {fault.reason}; correct the row")


def predictions(usecase: UseCase, saved_model: Path, file: Path) -> Iterator[list[Any]]:
    """Yield the predictions of a .csv or .jsonl file in batches; DataError names file, line and column or field."""
    model = SavedModel(saved_model)
    features = model.features or _schema_features(usecase)
    bulk = Bulk(model, features, _not_served(usecase, features))
    if file.suffix == ".csv":
        yield from _csv(usecase, bulk, file)
        return
    for lines in read_json_lines(file):
        yield bulk.lines(file, lines)


def _csv(usecase: UseCase, bulk: Bulk, file: Path) -> Iterator[list[Any]]:
    section = usecase.configured("ingest_examples")
    missing = frozenset(section.missing)
    types: dict[str, FeatureType] = {
        f.name: _Cell(_KINDS[f.dtype], required=f.required, missing=missing) for f in bulk.features.features
    }
    times = {name: _time(name, one, bulk.features, missing) for name, one in section.timestamps.items()}
    options = ReadOptions(
        types,
        missing=frozenset(),
        delimiter=section.delimiter,
        leave_out=bulk.ignored,
        timestamps=times,
        max_record_bytes=section.max_record_bytes,
        batch_rows=BATCH_ROWS,
    )
    source = SourceFile(0, file, file.name)
    checked = False
    for batch in csv_rows.read(source, options, _NoRejects(0, file)):
        if not checked:
            parts = {f"{name}_{part}" for name, time in times.items() for part in time.parts}
            unused = parts - set(bulk.features.by_name)
            bulk.check_header([name for name in batch.schema.names if name not in unused], f"{file}:1")
            checked = True
        yield bulk.columns({feature.name: _column(feature, batch) for feature in bulk.features.features})


def _time(name: str, column: TimestampColumn, features: Features, missing: frozenset[str]) -> _Time:
    """Read a column of times as ingest_examples does."""
    known = features.by_name
    required = any(known[part].required for part in (f"{name}_{one}" for one in column.parts) if part in known)
    return _Time(column.parts, column.format, required=required, missing=missing)


def _column(feature: Feature, batch: pa.RecordBatch) -> list[Any]:
    """One feature's values, None where a row lacks it."""
    at = batch.schema.get_field_index(feature.name)
    values: list[Any] = [None] * batch.num_rows if at < 0 else batch.column(at).to_pylist()
    return values


def _not_served(usecase: UseCase, features: Features) -> frozenset[str]:
    """Name the columns that the data has and no request needs: of the schema, and those that no run reads."""
    schema = read_schema(resolve(usecase.schema_file))
    known = {feature.name for feature in schema.feature} | set(usecase.configured("ingest_examples").leave_out)
    return frozenset(known - set(features.by_name))


def _schema_features(usecase: UseCase) -> Features:
    """The curated schema's serving features, for a model without a feature file (from a TFX module)."""
    schema = read_schema(resolve(usecase.schema_file))
    return Features(schema_features(schema, usecase.problem.label), usecase.problem.label)
