"""Proposes a schema for data that has none, or changes to an existing one; data is read as in a run."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf import text_format
from tensorflow_metadata.proto.v0.schema_pb2 import FeatureType, Schema
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import TRAIN
from artifacts.schema.schema_file import SCHEMA_NAME, read_schema_with_derived, write_schema
from artifacts.spans.files import SpanWindow, resolve
from artifacts.spans.guess import guess_csv_types, widened_parquet_columns
from artifacts.spans.pattern import labels, parse_span
from artifacts.statistics.names import is_span, of_span
from components.compute_statistics.in_process import ComputedStatistics, InProcess
from components.ingest_examples.config import Config as IngestExamples
from components.ingest_examples.logic import PinnedSource, ingest, read_options
from components.validate_data.proposal import Label, Span, propose_bounds, propose_features, to_text, updated
from core import durable
from core.store import Store
from mlops.worlds.pinned import source_pattern
from pipelines.config import UseCase

_BATCH_ROWS = 8192


@dataclass(frozen=True)
class Proposal:
    """A proposed schema that accepts the data of some spans."""

    spans: tuple[int, ...]
    path: Path
    """Path of the use case's schema, which need not exist yet."""
    text: str

    @property
    def diff(self) -> str:
        """A unified diff from the existing schema; the whole proposal when there is none."""
        before = _without_comments(self.path) if self.path.is_file() else ""
        old, new = (text.splitlines(keepends=True) for text in (before, self.text))
        return "".join(difflib.unified_diff(old, new, self.path.name, f"{self.path.name} (proposed)", n=4))

    def write(self) -> None:
        """Write the schema atomically."""
        durable.replace(self.path, self.text.encode())


def _without_comments(path: Path) -> str:
    """Return a schema without its comments, so that a diff shows changes of rules only."""
    return str(text_format.MessageToString(read_schema_with_derived(path), as_utf8=True))


def propose_schema(
    usecase: UseCase, store: Store, span: str | None = None, leave_out: tuple[str, ...] = ()
) -> Proposal:
    """Read the window that ends with a span (None: the newest) as in a run, and propose a schema that accepts it.

    `leave_out` names columns to ignore besides those of the configuration. Raises DataError, with file and place, for a
    source that cannot be read.
    """
    config = usecase.configured("ingest_examples")
    config = config.model_copy(update={"leave_out": (*config.leave_out, *leave_out)})
    pattern = source_pattern(usecase, store)
    window = resolve(pattern, None if span is None else parse_span(pattern, span), config.spans, config.gaps)
    if len(window.spans) == 1 and config.split.by == "time":
        # A run would have no span to train on; for a schema the one span is enough.
        config = config.model_copy(update={"split": config.split.model_copy(update={"by": "hash"})})
        window = resolve(window.pattern, window.spans[-1], 1)
    with TemporaryDirectory() as folder:
        text = _propose(usecase, config, window, Path(folder))
    return Proposal(window.spans, usecase.folder / SCHEMA_NAME, text)


def _propose(usecase: UseCase, config: IngestExamples, window: SpanWindow, folder: Path) -> str:
    path = usecase.folder / SCHEMA_NAME
    curated = read_schema_with_derived(path) if path.is_file() else Schema()
    schema = _draft(curated, config, window)
    types = {feature.name: feature.type for feature in schema.feature}
    draft = folder / SCHEMA_NAME
    write_schema(schema, draft)
    ingest(config, PinnedSource(window.pattern, window.spans[-1], ""), str(draft), folder / "examples")
    label = Label(usecase.problem.label, is_category=usecase.problem.task != "regression")
    found = _described(folder / "examples", schema).features
    first = _first_values(folder / "examples")
    fresh = propose_features(found, label, first, types if config.format == "csv" else {})
    again = _described(folder / "examples", fresh.schema)
    spans = [
        Span(again.features[name], again.derived.get(name, DatasetFeatureStatisticsList()))
        for name in again.features
        if is_span(name)
    ]
    fresh = propose_bounds(fresh, spans)
    if curated.feature:
        changed = updated(curated, found[of_span(window.pattern, window.spans[-1])], fresh)
        return str(text_format.MessageToString(changed, as_utf8=True))
    names = labels(window.pattern, window.spans)
    return to_text(
        fresh, f"Proposed from {'span' if len(window.spans) == 1 else 'spans'} {names}; every rule is yours to correct."
    )


def _draft(curated: Schema, config: IngestExamples, window: SpanWindow) -> Schema:
    """Add to the curated schema the types of columns that neither it nor the files give."""
    draft = Schema()
    draft.CopyFrom(curated)
    known = {feature.name for feature in curated.feature}
    kinds: dict[str, str] = {}
    if config.format == "csv":
        kinds |= guess_csv_types(window.files, read_options(config, {}), config.max_rejects)
    elif config.format == "parquet":
        kinds |= dict.fromkeys(sorted(widened_parquet_columns(window.files)), "FLOAT")
    for name, kind in kinds.items():
        if name not in known and name not in config.leave_out:
            draft.feature.add(name=name, type=FeatureType.Value(kind))
    return draft


def _described(examples: Path, schema: Schema) -> ComputedStatistics:
    """Describe each split and every span of the examples."""
    manifest = ExamplesManifest.read(examples)
    return InProcess(schema, _BATCH_ROWS).of_examples(examples, manifest, manifest.spans)


def _first_values(examples: Path) -> dict[str, bytes]:
    """Return the first value of each feature of bytes."""
    found: dict[str, bytes] = {}
    for batch in record_batches(examples, TRAIN, None):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            values = column.flatten()
            if name not in found and len(values) and isinstance(first := values[0].as_py(), bytes):
                found[name] = first
    return found
