"""Deletes what a store on this machine has of one row, given by its key, and names the models that read it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from artifacts.deletion import line_files, log_files, span_files
from artifacts.deletion.span_files import Wanted
from artifacts.labels.files import folder_of
from artifacts.labels.files import paths as label_paths
from artifacts.labels.row_key import RowKey
from artifacts.outcomes.names import SUFFIX, outcomes_folder
from artifacts.outcomes.writer import append_lines
from artifacts.prediction_log.names import log_folder
from artifacts.schema.schema_file import read_schema
from artifacts.spans import files
from artifacts.spans.feature_types import feature_types
from components.ingest_examples.logic import read_options
from core import digest
from core.backends.registry import open_registry
from core.errors import CorruptArtifact, MlopsError, UsageError
from core.objects import is_address
from core.store import Store
from core.user_code import resolve
from mlops.runs.history import read_run, summaries
from pipelines.config import UseCase

JOURNAL = "deletions.jsonl"
"""In the store: what was deleted and when, with the key's digest in place of the key."""


@dataclass(frozen=True)
class Reader:
    """A model version that read the row."""

    version: int
    digest: str
    role: str
    """What the row was for it."""
    in_production: bool


@dataclass(frozen=True)
class Deletion:
    """What was deleted, or would be."""

    spans: dict[int, int]
    """Span -> rows."""
    labels: int
    outcomes: int
    logged: int
    """Rows of the prediction log."""
    models: tuple[Reader, ...]
    copies: tuple[str, ...]
    """Runs whose artifacts still have the row."""
    busy: tuple[str, ...] = ()
    """Files that a server is writing, and that were not searched."""

    @property
    def rows(self) -> int:
        """Everything that has the key."""
        return sum(self.spans.values()) + self.labels + self.outcomes + self.logged


def delete(usecase: UseCase, store: Store, key: str) -> Deletion:
    """Delete the rows, labels, outcomes and logged predictions with a key; repeated, it finds nothing more.

    The key is the value of `problem.key`, or the digest of the row's features that label files have. Spans are
    replaced atomically, so a run that reads them meanwhile fails its check of the digest instead of reading half.
    Raises UsageError for data that is not on this machine, DataError for a file that cannot be read.
    """
    wanted = _wanted(usecase, key)
    found: dict[int, int] = {}
    for file in _span_files(usecase, store):
        rows = span_files.delete(file.path, wanted)  # type: ignore[arg-type]  # checked to be local
        if rows:
            found[file.span] = found.get(file.span, 0) + rows
    logged = log_files.delete(log_folder(store.root, usecase.name), key, wanted.row_key)
    outcomes = Path(outcomes_folder(store.root, usecase.name))
    done = Deletion(
        spans=found,
        labels=sum(line_files.delete(path, key) for path in label_paths(folder_of(store.root, usecase.name))),
        outcomes=sum(line_files.delete(path, key) for path in sorted(outcomes.glob(f"*{SUFFIX}"))),
        logged=logged.rows,
        models=tuple(_readers(usecase, store, found)),
        copies=tuple(_copies(usecase, store, found)),
        busy=logged.busy,
    )
    if done.rows:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"usecase": usecase.name, "key": digest.of_bytes(key.encode()), "at": at, **asdict(done)}
        append_lines(store.root / JOURNAL, [json.loads(json.dumps(line))])
    return done


def _wanted(usecase: UseCase, key: str) -> Wanted:
    schema = read_schema(resolve(usecase.schema_file))
    ingesting = usecase.configured("ingest_examples")
    options = read_options(ingesting, feature_types(schema))
    return Wanted(key, RowKey.of(schema, usecase.problem.key), ingesting.format, options)


def _span_files(usecase: UseCase, store: Store) -> Iterator[files.SourceFile]:
    pattern = usecase.source.pattern
    where = pattern if Path(pattern).is_absolute() or is_address(pattern) else f"{store.source(usecase.name)}/{pattern}"
    if is_address(where):
        raise UsageError(
            f"{where}: wanted spans on this machine, got an object store; delete the row there, and its older versions"
        )
    for _, found in sorted(files.spans(where, spanless=True).items()):
        yield from sorted(found, key=lambda file: file.name)


def _readers(usecase: UseCase, store: Store, spans: dict[int, int]) -> Iterator[Reader]:
    """Yield the versions whose window has a span of the row, the newest first."""
    registry = open_registry(store.registry)
    if not spans or usecase.name not in registry.names():
        return
    champion = registry.pointer(usecase.name)
    by_time = usecase.configured("ingest_examples").split.by == "time"
    for version in reversed(registry.versions(usecase.name)):
        read = set(version.about.get("spans", ()))
        shared = sorted(read & set(spans))
        if not shared:
            continue
        trained = [span for span in shared if not by_time or span != max(read)]
        role = "trained or stopped early on it" if by_time else "trained, stopped early or evaluated on it"
        yield Reader(
            version.version,
            version.digest,
            role if trained else "evaluated on it",
            champion is not None and champion.version == version.version,
        )


def _copies(usecase: UseCase, store: Store, spans: dict[int, int]) -> Iterator[str]:
    """Yield the runs that read a span of the row: their artifacts have its examples."""
    for summary in summaries(store) if spans else ():
        try:
            run = read_run(store, summary["run_id"])
        except (MlopsError, CorruptArtifact):
            continue
        artifact = run.artifact("ingest_examples", "examples")
        if run.submission.usecase == usecase.name and artifact is not None and _has_span(artifact.path, spans):
            yield run.run_id


def _has_span(examples: Path, spans: dict[int, int]) -> bool:
    try:
        content = json.loads((examples / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(set(content.get("spans", ())) & set(spans))
