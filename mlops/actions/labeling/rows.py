"""The rows of a use case as people label them: key, split, features and what the source has as their label."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import EVAL, MANIFEST
from artifacts.labels.domain import classes
from artifacts.labels.reader import Value
from artifacts.labels.row_key import RowKey
from artifacts.schema.schema_file import SERVING, read_schema
from components.ingest_examples.logic import PinnedSource, ingest
from core import digest, user_code
from core.store import Store
from mlops.worlds.pinned import data_parameters
from mlops.worlds.world import RequestedSpan, RunRequest
from pipelines.config import UseCase

_FOLDER = "labeling"


@dataclass(frozen=True)
class Row:
    """A row, as a person sees it."""

    key: str
    split: str
    features: dict[str, Any]
    """What a request has, as JSON has it; bytes that are no text are left out."""
    label: Value | None
    """The label in the source, None where it has none."""


@dataclass(frozen=True)
class Rows:
    """The rows of a window, each key once."""

    usecase: str
    label: str
    classes: tuple[Value, ...]
    """Empty where any number is a label."""
    rows: tuple[Row, ...]

    @cached_property
    def by_key(self) -> dict[str, Row]:
        """Find a row by its key."""
        return {row.key: row for row in self.rows}


def load_rows(usecase: UseCase, store: Store, span: RequestedSpan = None) -> Rows:
    """Read the window of a run as `ingest_examples` splits it; the examples are kept in the store for the next time."""
    pinned = data_parameters(RunRequest(usecase, span=span), store)
    source = PinnedSource(pinned["source"], pinned["span"], pinned["data"])
    examples = _examples(usecase, store, source)
    schema = read_schema(user_code.resolve(usecase.schema_file))
    problem = usecase.problem
    key = RowKey.of(schema, problem.key)
    served = [one.name for one in schema.feature if SERVING not in one.not_in_environment]
    found: dict[str, Row] = {}
    for row in _read(examples, key, (served, problem.label)):
        before = found.setdefault(row.key, row)
        if row.split == EVAL and before.split != EVAL:
            found[row.key] = row  # equal features in several spans: eval rows are never labeled for training
    allowed = classes(schema, problem.label, are_classes=problem.task != "regression")
    return Rows(usecase.name, problem.label, allowed, tuple(found.values()))


def _examples(usecase: UseCase, store: Store, source: PinnedSource) -> Path:
    config = usecase.configured("ingest_examples")
    made_from = "\0".join((source.data, str(source.span), config.model_dump_json(), usecase.schema_file))
    name = digest.of_bytes(made_from.encode()).removeprefix("sha256:")[:16]
    folder = store.root / _FOLDER / usecase.name / name
    if not (folder / MANIFEST).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".staging-") as staging:
            ingest(config, source, usecase.schema_file, Path(staging) / name)
            if not folder.exists():
                (Path(staging) / name).rename(folder)
    return folder


def _read(examples: Path, key: RowKey, names: tuple[list[str], str]) -> Iterator[Row]:
    for split in ExamplesManifest.read(examples).splits():
        for batch in record_batches(examples, split, None):
            yield from _rows(batch, key.keys(batch), split, names)


def _rows(batch: pa.RecordBatch, keys: list[str], split: str, names: tuple[list[str], str]) -> list[Row]:
    served, label = names
    columns = {name: batch.column(index).to_pylist() for index, name in enumerate(batch.schema.names)}
    rows = []
    for place, key in enumerate(keys):
        values = {name: _value(columns[name][place]) for name in served if name in columns}
        known = _value(columns[label][place]) if label in columns else None
        rows.append(Row(key, split, {name: one for name, one in values.items() if one is not None}, known))
    return rows


def _value(values: list[Any] | None) -> Any:
    """Return the only value, or the list; text for bytes; None for nothing, NaN, and bytes that are no text."""
    found = [_plain(one) for one in values or []]
    if not found or None in found:
        return None
    return found[0] if len(found) == 1 else found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return None if isinstance(value, float) and not math.isfinite(value) else value
