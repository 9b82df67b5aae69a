"""The manifest of a published model: the digest of every file, and a digest of the manifest itself (its seal)."""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import digest, durable
from core.backends import signature
from core.backends.signature import Signature
from core.errors import CorruptArtifact, RegistryError

FILE = "manifest.json"
FORMAT = 1
REPAIR = "roll back, then publish the model again"
"""The next step that error messages name for a damaged version."""


@dataclass(frozen=True)
class Manifest:
    """The contents of a published version; it never changes after publishing."""

    name: str
    version: int
    created: str
    """ISO 8601 in UTC."""
    files: Mapping[str, str]
    """Relative name -> sha256 digest of each file of the saved model."""
    about: Mapping[str, Any]
    """Where the model comes from: data spans, digests, decisions."""
    signature: Signature | None = None
    """Over the seal; None for a version that was published without a key."""

    @property
    def digest(self) -> str:
        """Digest of the saved model as a whole, the same as `core.digest.of_folder` gives for it."""
        return digest.of_named(self.files)

    @property
    def seal(self) -> str:
        """Digest of all that the manifest says."""
        return _seal(self._body())

    def content(self) -> bytes:
        """Serialize to JSON, with the seal and the signature."""
        signed = {"signature": {"key": self.signature.key, "value": self.signature.value}} if self.signature else {}
        body = self._body() | {"seal": self.seal} | signed
        return (json.dumps(body, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()

    @property
    def signed_by(self) -> str:
        """The digest of the key of its signature; "" without one."""
        return self.signature.key if self.signature else ""

    def signed(self) -> "Manifest":
        """Return it with the signature of this process's key, or as it is where there is none."""
        made = signature.sign(self.seal)
        return replace(self, signature=made) if made else self

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "created": self.created,
            "digest": self.digest,
            "files": dict(self.files),
            "about": dict(self.about),
        }

    def stage(self, saved_model: Path, folder: Path) -> Path:
        """Copy a saved model and its manifest to a staging folder that readers ignore, and wait until they are on disk.

        Raises RegistryError when a file changes while it is copied.
        """
        staged = folder / f"{durable.STAGING}{self.version}"
        _copy(saved_model, staged, self.files)
        durable.write(staged / FILE, self.content())
        durable.sync(staged)
        return staged

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of a version's folder; CorruptArtifact when it is missing, cut short or changed."""
        path = folder / FILE
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise CorruptArtifact(
                f"{path}: wanted the manifest of a version, got no file: it was never published; remove the folder"
            ) from None
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, where: str) -> "Manifest":
        """Parse a manifest; CorruptArtifact, which names `where`, when it is cut short or changed."""
        try:
            body = json.loads(content)
            seal, signed = body.pop("seal"), body.pop("signature", None)
            found = Signature(str(signed["key"]), str(signed["value"])) if signed is not None else None
            manifest = cls(body["name"], body["version"], body["created"], body["files"], body["about"], found)
            unchanged = seal == _seal(body) and body["format"] == FORMAT and body["digest"] == manifest.digest
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptArtifact(
                f"{where}: wanted a manifest, got {type(error).__name__}: {error}; {REPAIR}"
            ) from None
        if not unchanged or not all(map(_is_inside, manifest.files)):
            raise CorruptArtifact(f"{where}: the manifest was changed after it was written; {REPAIR}")
        return manifest

    def verify(self, folder: Path) -> None:
        """Check that a folder has exactly the manifest's files; CorruptArtifact names the first that differs."""
        self.check_belongs_to(folder.parent.name, folder.name, str(folder))
        paths = _list(folder, CorruptArtifact)
        paths.pop(FILE, None)
        self.check_names(paths, str(folder))
        for name, wanted in sorted(self.files.items()):
            got = digest.of_file(paths[name])
            if got != wanted:
                raise CorruptArtifact(f"{folder / name}: wanted {wanted}, got {got}; {REPAIR}")

    def check_belongs_to(self, name: str, version: str, where: str) -> None:
        """Raise CorruptArtifact when the folder of the manifest, `where`, is not named after this name and version."""
        if (self.name, str(self.version)) != (name, version):
            raise CorruptArtifact(
                f"{where}: its manifest is of {self.name} version {self.version}; a version cannot be copied or renamed"
            )

    def check_names(self, found: Collection[str], where: str) -> None:
        """Raise CorruptArtifact for the first file that is missing in a folder, or not in the manifest."""
        for name in sorted(set(found) ^ self.files.keys()):
            fault = "not in the manifest" if name in found else "missing"
            raise CorruptArtifact(f"{where}/{name}: {fault}; {REPAIR}")


def _is_inside(name: str) -> bool:
    """Whether a relative name stays below the version's folder."""
    return not {"", ".", ".."} & set(name.split("/")) and "\0" not in name


def scan(saved_model: Path) -> dict[str, str]:
    """Digest every file of a saved model by relative name.

    Raises RegistryError when it is no SavedModel, or has a link, a special file or a file named like the manifest.
    """
    if not (saved_model / "saved_model.pb").is_file():
        raise RegistryError(f"{saved_model}: wanted a SavedModel, found no saved_model.pb in it")
    paths = _list(saved_model, RegistryError)
    if FILE in paths:
        raise RegistryError(f"{saved_model / FILE}: a model must not have a file of this name; rename it")
    return {name: digest.of_file(path) for name, path in paths.items()}


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
    """Return the files below a folder by relative name; `error` is raised for links and special files."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise error(f"{path}: wanted a regular file, got a link or a special file")
        for name in files:
            path = Path(parent, name)
            found[path.relative_to(folder).as_posix()] = path
    return found


def _seal(body: Mapping[str, Any]) -> str:
    return digest.of_bytes(json.dumps(body, sort_keys=True, allow_nan=False).encode())
