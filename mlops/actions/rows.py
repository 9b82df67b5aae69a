"""Raw rows of a file, typed as strictly as the data that the model was trained on, and asked of one model version."""

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
from core.errors import DataError
from core.user_code import resolve
from pipelines.config import UseCase
from serving.models.bulk import BATCH_ROWS, Bulk, read_json_lines
from serving.models.savedmodel import SavedModel

_KINDS: dict[str, Kind] = {"float32": "FLOAT", "int64": "INT", "string": "BYTES"}


@dataclass(frozen=True)
class _Cell(FeatureType):
    """A cell of a feature that a request must have, or may leave out."""

    required: bool = True
    missing: frozenset[str] = frozenset({""})

    def parse(self, text: str) -> int | float | bytes | None:  # type: ignore[override] # null is what the reader makes of None
        """Read text; None for a missing optional value, ValueError for a missing required one."""
        if text not in self.missing:
            return super().parse(text)
        if self.required:
            raise ValueError(f"this feature is required, got {text!r}")
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
    bulk = Bulk(model, model.features or _schema_features(usecase))
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
    options = ReadOptions(
        types,
        missing=frozenset(),
        delimiter=section.delimiter,
        max_record_bytes=section.max_record_bytes,
        batch_rows=BATCH_ROWS,
    )
    source = SourceFile(0, file, file.name)
    checked = False
    for batch in csv_rows.read(source, options, _NoRejects(0, file)):
        if not checked:
            bulk.check_header(batch.schema.names, f"{file}:1")
            checked = True
        yield bulk.columns({feature.name: _column(feature, batch) for feature in bulk.features.features})


def _column(feature: Feature, batch: pa.RecordBatch) -> list[Any]:
    """One feature's values, None where a row lacks it."""
    at = batch.schema.get_field_index(feature.name)
    values: list[Any] = [None] * batch.num_rows if at < 0 else batch.column(at).to_pylist()
    return values


def _schema_features(usecase: UseCase) -> Features:
    """The raw features of a model that does not say them (a TFX module's): those that the curated schema has in serving."""
    schema = read_schema(resolve(usecase.schema_file))
    return Features(schema_features(schema, usecase.problem.label), usecase.problem.label)
