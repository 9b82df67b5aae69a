"""Searches everything that a store on this machine has of a use case for personal data and planted canaries."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from artifacts.labels.names import labels_folder
from artifacts.outcomes.names import outcomes_folder
from artifacts.personal_data import columns, files
from artifacts.personal_data.detectors import found_in
from artifacts.personal_data.finding import Finding
from artifacts.prediction_log.names import log_folder
from artifacts.prediction_log.reader import Counts, log_files, rows
from artifacts.schema.schema_file import read_schema
from artifacts.spans import readers
from artifacts.spans.feature_types import feature_types
from artifacts.spans.files import SourceFile, spans
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from components.ingest_examples.logic import read_options
from core.objects import is_address
from core.store import Store
from core.user_code import resolve
from mlops.runs.history import submitted
from pipelines.config import UseCase


def search(usecase: UseCase, store: Store) -> Iterator[Finding]:
    """Yield what is found, place by place; what is in an object store is not searched."""
    yield from _spans(usecase, store)
    yield from _log(log_folder(store.root, usecase.name))
    name = usecase.name
    for folder in (labels_folder(str(store.root), name), outcomes_folder(store.root, name), str(store.models / name)):
        yield from files.in_folder(Path(folder), Path(folder).relative_to(store.root).as_posix())
    for run_id, submission in sorted(submitted(store).items()):
        if submission.usecase == name:
            yield from files.in_folder(store.runs / run_id, f"runs/{run_id}")
    if store.metadata.is_file():
        yield from files.in_file(store.metadata, store.metadata.name)


def _spans(usecase: UseCase, store: Store) -> Iterator[Finding]:
    pattern = usecase.source.pattern
    where = pattern if Path(pattern).is_absolute() or is_address(pattern) else f"{store.source(usecase.name)}/{pattern}"
    if is_address(where):
        return
    ingesting = usecase.configured("ingest_examples")
    options = read_options(ingesting, feature_types(read_schema(resolve(usecase.schema_file))))
    for span, found in sorted(spans(where, spanless=True).items()):
        for file in found:
            for finding in _file(file, ingesting.format, options):
                yield finding._replace(place=f"span {span}: {file.name}: {finding.place}")


def _file(file: SourceFile, format: str, options: ReadOptions) -> Iterator[Finding]:
    """Search a file of a span: as it is, or by columns where its format compresses them."""
    path = Path(file.path)
    if format != "parquet":
        yield from files.in_file(path, "the file")
        return
    batches = readers.reader(format)(file, options, Rejects(0, path))
    for finding in columns.in_batches(batches):
        yield finding._replace(place=finding.place.removeprefix("examples/"))


def _log(folder: Path) -> Iterator[Finding]:
    """Search the features, keys and request ids of each logged row."""
    found: Counter[tuple[str, str]] = Counter()
    for row in rows(log_files(folder), Counts()):
        texts = {"log_key": [row.key.encode()], "log_request_id": [row.request_id.encode()], **row.features}
        for name, values in texts.items():
            joined = b"\n".join(value for value in values if isinstance(value, bytes))
            found.update((name, detector) for detector in found_in(joined))
    for (name, detector), count in sorted(found.items()):
        yield Finding(detector, f"prediction log: {name}", count)
