"""Finds the newest selection of features of a use case, and writes its schema without those that are left out."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from artifacts.schema.disabling import disabled
from artifacts.schema.schema_file import SCHEMA_NAME
from artifacts.selection.selection import Selection
from core import digest, durable, objects
from core.errors import MlopsError, UsageError
from core.store import Store
from mlops.runs.history import read_run, summaries
from mlops.runs.record import Artifact
from pipelines.config import UseCase

STAGE = "select_features"


@dataclass(frozen=True)
class SelectedFeatures:
    """A selection, the schema that it is about, and what it would change."""

    run_id: str
    selection: Selection
    schema: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """A unified diff of the schema; empty when the selection leaves out nothing."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, self.schema.name, f"{self.schema.name} (selected)", n=4))

    @property
    def read_by_module(self) -> tuple[str, ...]:
        """Features that are left out, but that module.py reads."""
        read = {one.name for one in self.selection.features if one.read_by_module}
        return tuple(name for name in self.selection.left_out if name in read)

    def apply(self) -> None:
        """Write the schema atomically; UsageError when it is not the one that the features were selected for."""
        _check_unchanged(self.schema.read_bytes(), self.selection, self.run_id, self.schema)
        durable.replace(self.schema, self.after.encode())


def find_selection(usecase: UseCase, store: Store, run_id: str = "") -> SelectedFeatures:
    """Return the selection of a run, or of the newest that has one.

    Raises UsageError when the schema changed since that run, MlopsError when there is no such run or selection.
    """
    found = run_id or _newest(usecase, store)
    artifact = read_run(store, found).artifact(STAGE, "selection")
    if artifact is None:
        raise MlopsError(
            f"run {found} selected no features: wanted a run with the stage {STAGE}; write its section in "
            f"{usecase.folder / 'config.yaml'}, then: mlops run {usecase.cli_name}"
        )
    selection = Selection.read(_folder(artifact, store, found))
    schema = usecase.folder / SCHEMA_NAME
    content = schema.read_bytes()
    _check_unchanged(content, selection, found, schema)
    before = content.decode()
    return SelectedFeatures(found, selection, schema, before, disabled(before, selection.reasons))


def _newest(usecase: UseCase, store: Store) -> str:
    for summary in summaries(store):
        stages = {task["name"] for task in summary["tasks"] if task["state"] == "SUCCEEDED"}
        if summary["usecase"] == usecase.name and STAGE.replace("_", "-") in stages:
            return str(summary["run_id"])
    raise MlopsError(
        f"no run of {usecase.name} in {store.runs} selected features; write the section {STAGE} in "
        f"{usecase.folder / 'config.yaml'}, then: mlops run {usecase.cli_name}"
    )


def _folder(artifact: Artifact, store: Store, run_id: str) -> Path:
    """Return the artifact's folder on this machine; that of an object store is copied beside the run."""
    if not objects.is_address(artifact.uri):
        return artifact.path
    folder = store.runs / run_id / "selection"
    folder.mkdir(exist_ok=True)
    name = "selection.json"
    durable.replace(folder / name, objects.read(f"{artifact.uri}/{name}"))
    return folder


def _check_unchanged(content: bytes, selection: Selection, run_id: str, schema: Path) -> None:
    if digest.of_bytes(content) != selection.schema_digest:
        raise UsageError(
            f"{schema}: wanted the schema that run {run_id} selected features for, got one that was changed since; "
            "run again, and apply that run's selection"
        )
