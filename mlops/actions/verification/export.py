"""Copies a run with everything that it was made from to one folder, which can be checked without the store."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from core import digest, durable
from core.errors import CorruptArtifact, UsageError
from core.store import Store
from mlops.actions.verification.sources import Source, sources
from mlops.runs.history import read_run
from mlops.runs.record import Run

INDEX = "export.json"


class Listed(BaseModel):
    """A source in an export: the digests of its files, and where they lie in the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    digest: str
    files: dict[str, str]
    """Name in the digest -> sha256 digest; empty when the files were not what the run was made from any more."""
    folder: str
    """Relative folder of the files; empty when they were left out."""
    missing: str

    def is_of(self, digests: Mapping[str, str]) -> bool:
        """Whether the digest is over these names and digests of files."""
        return Source(self.what, self.digest).is_of(digests)


class Index(BaseModel):
    """The content of `export.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    run_id: str
    files: dict[str, str]
    """Relative name -> sha256 digest of every other file of the folder."""
    sources: list[Listed]
    seal: str
    """Digest over the rest of this file."""

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Read it; CorruptArtifact when it is missing, cut short or changed."""
        path = folder / INDEX
        try:
            index = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{path}: wanted the index of an exported run, got {error}") from None
        if index.seal != _seal(index.model_dump(exclude={"seal"})):
            raise CorruptArtifact(f"{path}: it was changed after the export; ask for a new one")
        return index


def export(store: Store, run_id: str, target: Path, *, with_data: bool = True) -> Index:
    """Copy a run, its artifacts, the version that it pushed, its code and, unless left out, its data.

    The folder is a store of this one run. It appears when it is complete. Raises UsageError when it exists, MlopsError
    for a run that is not known or has not ended.
    """
    if target.exists():
        raise UsageError(f"{target}: exists already; name a new folder")
    run = read_run(store, run_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as temporary:
        folder = Path(temporary, "export")
        folder.mkdir()
        for path in sorted(_paths(run, store)):
            _copy(path, folder / path.relative_to(store.root))
        listed = [_source(one, folder, number, with_data) for number, one in enumerate(sources(run, store))]
        files = {name: digest.of_file(folder / name) for name in _names(folder)}
        content = {"version": 1, "run_id": run_id, "files": files, "sources": [one.model_dump() for one in listed]}
        index = Index.model_validate(content | {"seal": _seal(content)})
        durable.write(folder / INDEX, (index.model_dump_json(indent=2) + "\n").encode())
        folder.rename(target)
    return index


def _paths(run: Run, store: Store) -> set[Path]:
    """Return the folders of a run in its store: its own, its executions', and the version that it pushed."""
    found = {run.folder}
    for task in run.tasks:
        for artifact in (*task.inputs.values(), *task.outputs.values()):
            path = artifact.path
            if "://" not in artifact.uri and path.is_relative_to(store.root / "artifacts") and path.parent.exists():
                found.add(path.parent)
    if (pushed := pushed_version(run)) is not None:
        name, number, _ = pushed
        version = store.models / name / str(number)
        found |= {version} if version.exists() else set()
    return found


def pushed_version(run: Run) -> tuple[str, int, str] | None:
    """Return name, number and digest of the version that a run pushed.

    None where a gate was closed, and where the file cannot be read: its digest differs then, which a check says.
    """
    output = run.artifact("push_model", "pushed")
    content: Any = read_json(output.path) if output is not None else None
    try:
        return str(content["name"]), int(content["version"]), str(content["digest"])
    except (KeyError, TypeError, ValueError):
        return None


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; None where there is none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _source(source: Source, folder: Path, number: int, with_data: bool) -> Listed:
    digests = {name: digest.of_file(path) for name, path in source.files.items()}
    is_left_out = not digests or (source.what == "data" and not with_data)
    place = "" if is_left_out else f"sources/{number}"
    for name, path in {} if is_left_out else source.files.items():
        _copy(path, folder / place / inside(name))
    return Listed(what=source.what, digest=source.digest, files=digests, folder=place, missing=source.missing)


def inside(name: str) -> str:
    """Return the file name of a name in a digest, which may start with `project:`."""
    return name.replace(":", "/")


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns("lock"))
    else:
        shutil.copy2(path, target)


def _names(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())


def _seal(content: Mapping[str, Any]) -> str:
    return digest.of_bytes(json.dumps(content, sort_keys=True).encode())
