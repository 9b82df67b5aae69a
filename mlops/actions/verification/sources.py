"""What a run was made from besides artifacts: data, code, files of the use case, and model versions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artifacts.examples.manifest import ExamplesManifest
from artifacts.spans import files as spans
from core import digest, user_code
from core.backends.manifest import Manifest
from core.backends.pointer import Pointer, is_version
from core.backends.registry import find
from core.errors import MlopsError
from core.store import Store
from mlops.runs.record import Run
from mlops.worlds.sources import code_files

_NO_FILES = frozenset({"config", "champion"})
"""Parameters of tasks that name no source; a champion may have been removed since."""


@dataclass(frozen=True)
class Source:
    """One digest that a run is pinned to, and the files that it is over."""

    what: str
    """`data`, `code`, or the reference of a file of the use case or of a model version."""
    digest: str
    files: Mapping[str, Path] = field(default_factory=dict)
    """Name in the digest -> file; empty when they are not there, or are not what they were."""
    missing: str = ""
    """Why there are no files."""

    def is_of(self, digests: Mapping[str, str]) -> bool:
        """Whether the digest is over these names and digests of files, or that of the only file."""
        return self.digest in (digest.of_named(digests), *(digests.values() if len(digests) == 1 else ()))


def sources(run: Run, store: Store) -> Iterator[Source]:
    """Yield the sources of a run of this store, as they are now."""
    if "data" in run.parameters:
        yield _data(run)
    yield _code(run, store)
    for reference in sorted(_references(run)):
        yield _version(reference, store) if is_version(reference.partition("@")[0]) else _reference(reference)


def _data(run: Run) -> Source:
    wanted, pattern = str(run.parameters["data"]), str(run.parameters["source"])
    examples = run.artifact("ingest_examples", "examples")
    if examples is None:
        return Source("data", wanted, missing="the run ingested no examples")
    try:
        length = len(ExamplesManifest.read(examples.path).spans)
        window = spans.resolve(pattern, run.parameters.get("span"), length, "skip", spanless=True)
        if spans.window_digest(window) != wanted:
            return Source("data", wanted, missing=f"the files of {pattern} have changed since")
    except MlopsError as error:
        return Source("data", wanted, missing=str(error))
    if any(isinstance(file.path, str) for file in window.files):
        return Source("data", wanted, missing=f"{pattern} is in an object store; its files are as they were")
    return Source("data", wanted, {file.name: Path(file.path) for file in window.files})


def _code(run: Run, store: Store) -> Source:
    try:
        files = code_files(run.folder / "pipeline.yaml", store)
    except MlopsError as error:
        return Source("code", run.submission.code, missing=str(error))
    if digest.of_files(files.items()) == run.submission.code:
        return Source("code", run.submission.code, files)
    return Source("code", run.submission.code, missing="the code has changed since; check out the commit of the run")


def _references(run: Run) -> set[str]:
    values = (value for task in run.tasks for name, value in task.parameters.items() if name not in _NO_FILES)
    return {value for value in values if isinstance(value, str) and user_code.is_reference(value)}


def _reference(reference: str) -> Source:
    wanted = user_code.digest_of(reference)
    try:
        return Source(reference, wanted, dict(user_code.named_files(reference)))
    except MlopsError as error:
        return Source(reference, wanted, missing=str(error))


def _version(reference: str, store: Store) -> Source:
    wanted = Pointer.parse(reference).digest
    try:
        folder = find(store.registry, reference).path
    except MlopsError as error:
        return Source(reference, wanted, missing=str(error))
    return Source(reference, wanted, {name: folder / name for name in Manifest.read(folder).files})
