"""Raw rows of a file, typed as strictly as the data that the model was trained on, and asked of one model version."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.spans import csv_rows
from artifacts.spans.feature_types import FeatureType, Kind
from artifacts.spans.files import Place, SourceFile
from artifacts.spans.readers import ReadOptions
from artifacts.spans.rejects import Fault, Rejects
from core.errors import DataError
from core.user_code import resolve
from pipelines.config import UseCase
from serving.bulk import BATCH_ROWS, Bulk, read_json_lines
from serving.savedmodel import SavedModel
from serving.signature import Features, Field

_KINDS: dict[str, Kind] = {"float32": "FLOAT", "int64": "INT", "string": "BYTES"}
_DTYPES = {schema_pb2.INT: "int64", schema_pb2.FLOAT: "float32", schema_pb2.BYTES: "string"}


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
    section = usecase.ingest_examples
    missing = frozenset(section.missing)
    types: dict[str, FeatureType] = {
        f.name: _Cell(_KINDS[f.dtype], required=f.required, missing=missing) for f in bulk.features.fields
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
        yield bulk.columns({field.name: _column(field, batch) for field in bulk.features.fields})


def _column(field: Field, batch: pa.RecordBatch) -> Any:
    """One feature as the exported graph takes it, shape [rows]."""
    at = batch.schema.get_field_index(field.name)
    absent: Any = {"float32": np.nan, "int64": -1, "string": b""}[field.dtype]
    if at < 0:
        return np.full(batch.num_rows, absent, object if field.dtype == "string" else field.dtype)
    return batch.column(at).fill_null(absent).to_numpy(zero_copy_only=False)


def _schema_features(usecase: UseCase) -> Features:
    """The raw features of a model that does not say them (a TFX module's): those that the curated schema has in serving."""
    schema = text_format.Parse(resolve(usecase.schema_file).read_text(encoding="utf-8"), schema_pb2.Schema())
    serving = [
        f
        for f in schema.feature
        if f.type in _DTYPES and "SERVING" not in f.not_in_environment and f.name != usecase.problem.label
    ]
    fields = tuple(Field(f.name, _DTYPES[f.type], (None,), required=f.presence.min_fraction >= 1.0) for f in serving)
    return Features(fields, usecase.problem.label)
