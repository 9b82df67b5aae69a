"""The manifest of a published model: every file with its digest, under a seal of its own."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import digest, durable
from core.errors import CorruptArtifact, RegistryError

FILE = "manifest.json"
FORMAT = 1
REPAIR = "roll back, then publish the model again"
"""What a person does about a version that is not whole."""


@dataclass(frozen=True)
class Manifest:
    """What was published, and under which number; it never changes after that."""

    name: str
    version: int
    created: str
    files: Mapping[str, str]
    """Relative name -> sha256 digest of each file of the saved model."""
    about: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Digest of the saved model as a whole, the same as `core.digest.of_folder` gives for it."""
        return digest.of_named(self.files)

    def content(self) -> bytes:
        """Write it out under its seal."""
        body = {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "created": self.created,
            "digest": self.digest,
        }
        body |= {"files": dict(self.files), "about": dict(self.about)}
        return (json.dumps(body | {"seal": _seal(body)}, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()

    def stage(self, saved_model: Path, folder: Path) -> Path:
        """Copy a saved model to a folder that nobody takes for a version, with the manifest, all of it on the disk."""
        staged = folder / f"{durable.STAGING}{self.version}"
        _copy(saved_model, staged, self.files)
        durable.write(staged / FILE, self.content())
        durable.sync(staged)
        return staged

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of a version's folder; CorruptArtifact when it is missing, half-written or changed."""
        path = folder / FILE
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise CorruptArtifact(
                f"{path}: a version without a manifest was never published; remove the folder"
            ) from None
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, where: str) -> "Manifest":
        """Read a manifest's content; CorruptArtifact, which says where it lies, when it is half-written or changed."""
        try:
            body = json.loads(content)
            seal = body.pop("seal")
            manifest = cls(body["name"], body["version"], body["created"], body["files"], body["about"])
            sealed = seal == _seal(body) and body["format"] == FORMAT and body["digest"] == manifest.digest
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptArtifact(
                f"{where}: wanted a manifest, got {type(error).__name__}: {error}; {REPAIR}"
            ) from None
        if not sealed or not all(map(_is_inside, manifest.files)):
            raise CorruptArtifact(f"{where}: the manifest was changed after it was written; {REPAIR}")
        return manifest

    def verify(self, folder: Path) -> None:
        """Check that a folder holds exactly the manifest's files; CorruptArtifact names the first that differs."""
        if (self.name, str(self.version)) != (folder.parent.name, folder.name):
            raise CorruptArtifact(
                f"{folder}: its manifest is of {self.name} version {self.version}; "
                "a version cannot be copied or renamed"
            )
        found = _list(folder, CorruptArtifact)
        found.pop(FILE, None)
        for name in sorted(found.keys() ^ self.files.keys()):
            fault = "not in the manifest" if name in found else "missing"
            raise CorruptArtifact(f"{folder / name}: {fault}; {REPAIR}")
        for name, wanted in sorted(self.files.items()):
            if (got := digest.of_file(found[name])) != wanted:
                raise CorruptArtifact(f"{folder / name}: wanted {wanted}, got {got}; {REPAIR}")


def _is_inside(name: str) -> bool:
    """Whether a file's name can only lie below the version's folder."""
    return not {"", ".", ".."} & set(name.split("/")) and "\0" not in name


def scan(saved_model: Path) -> dict[str, str]:
    """Digest every file of a saved model by relative name.

    Raises RegistryError when it is none, or holds what cannot be published.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise RegistryError(f"{saved_model}: wanted a SavedModel, found no saved_model.pb in it")
    found = _list(saved_model, RegistryError)
    if FILE in found:
        raise RegistryError(f"{saved_model / FILE}: a model that is to be published must not hold a file of this name")
    return {name: digest.of_file(path) for name, path in found.items()}


def _copy(saved_model: Path, staged: Path, files: Mapping[str, str]) -> None:
    folders = {staged}
    staged.mkdir()
    for name, wanted in sorted(files.items()):
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in target.parents if parent.is_relative_to(staged))
        shutil.copyfile(saved_model / name, target)
        durable.sync(target)
        if digest.of_file(target) != wanted:
            raise RegistryError(
                f"{saved_model / name}: changed while it was being published; publish again when nothing writes to it"
            )
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        durable.sync(folder)


def _list(folder: Path, error: type[Exception]) -> dict[str, Path]:
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise error(f"{path}: wanted a regular file, got a link or a special file")
        found.update({Path(parent, name).relative_to(folder).as_posix(): Path(parent, name) for name in files})
    return found


def _seal(body: Mapping[str, Any]) -> str:
    return digest.of_bytes(json.dumps(body, sort_keys=True, allow_nan=False).encode())
