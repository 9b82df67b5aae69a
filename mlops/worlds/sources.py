"""Computes from imports the code that each stage can run; cached results depend on it in every world."""

from collections.abc import Collection
from pathlib import Path

import localrun
from core import digest
from core.errors import CorruptArtifact
from core.import_closure import ImportClosure
from core.store import Store
from core.user_code import ROOT
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Container


def stage_sources(
    store: Store, root: Path = ROOT, stages: Collection[str] | None = None
) -> dict[str, tuple[Path, ...]]:
    """Return, by stage of the project at `root`, the files that it can import, or read beside what it imports.

    `stages` are those that are asked for, all by default; one that the project does not have is left out.
    """
    closure = ImportClosure(root, cache=store.root / "imports.json")
    components = sorted((root / "components").glob("*/component.py"))
    wanted = [one for one in components if stages is None or one.parent.name in stages]
    sources = {component.parent.name: tuple(closure.files(component)) for component in wanted}
    closure.save()
    return sources


def code_digest(pipeline: localrun.Pipeline, store: Store) -> str:
    """Return the digest of the code that the stages of a pipeline can run, and of the lock file."""
    return digest.of_files(_code(pipeline, store).items())


def code_files(compiled: Path, store: Store) -> dict[str, Path]:
    """Return the files of that code for a compiled pipeline, by their names in the digest.

    Raises CorruptArtifact when the file cannot be read as a pipeline.
    """
    try:
        return _code(localrun.load(compiled), store)
    except localrun.LocalrunError as error:
        raise CorruptArtifact(f"{compiled}: {error}") from None


def stages_of(pipeline: localrun.Pipeline) -> set[str]:
    """Return the functions that the tasks of a pipeline run: stages of the project, and perhaps others."""
    commands = [part.implementation for part in pipeline.components.values()]
    return {function_name(command) for command in commands if isinstance(command, Container)}


def _code(pipeline: localrun.Pipeline, store: Store) -> dict[str, Path]:
    sources = stage_sources(store, stages=stages_of(pipeline))
    files = {path for found in sources.values() for path in found}
    return {path.relative_to(ROOT).as_posix(): path for path in [*files, ROOT / "uv.lock"]}
