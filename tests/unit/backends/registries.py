"""Registries for the contract tests, with access to their files, so that a test can damage them."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from core import objects
from core.backends.local_registry import LocalRegistry
from core.backends.object_registry import ObjectRegistry
from core.backends.registry import Registry

FROZEN = datetime(2013, 11, 3, 1, 30, tzinfo=UTC)


def model(folder: Path, content: str = "weights") -> Path:
    """Write a saved model of four files."""
    (folder / "variables").mkdir(parents=True)
    (folder / "assets.extra").mkdir()
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.data-00000-of-00001").write_text(content)
    (folder / "assets.extra" / "features.json").write_text("{}")
    return folder


class Backend(Protocol):
    """A registry and its files; names are relative to the registry's root."""

    root: str
    registry: Registry

    def reopened(self, name: str = "other") -> Registry:
        """Open the same registry as another process or machine would; `name` is the folder of its cache."""

    def pointer(self, moves: int) -> str:
        """Name of the pointer's file after some moves."""

    def files(self, folder: str) -> set[str]:
        """Names of all files below a folder, relative to it."""

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, content: bytes) -> None: ...

    def remove(self, name: str) -> None: ...


def copy(backend: Backend, folder: str, to: str) -> None:
    """Copy a folder without going through the registry."""
    for name in backend.files(folder):
        backend.write(f"{to}/{name}", backend.read(f"{folder}/{name}"))


@dataclass
class LocalBackend:
    """A local registry."""

    root: str
    registry: Registry

    @classmethod
    def at(cls, folder: Path) -> "LocalBackend":
        return cls(str(folder / "models"), LocalRegistry(folder / "models", clock=lambda: FROZEN))

    def reopened(self, name: str = "other") -> Registry:
        return LocalRegistry(Path(self.root))

    def pointer(self, moves: int) -> str:
        return "m/champion.json"

    def files(self, folder: str) -> set[str]:
        top = Path(self.root, folder)
        return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}

    def read(self, name: str) -> bytes:
        return Path(self.root, name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = Path(self.root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, name: str) -> None:
        path = Path(self.root, name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@dataclass
class ObjectStoreBackend:
    """A registry in an object store, with the folder of its copies on this machine."""

    root: str
    registry: Registry
    folder: Path

    @classmethod
    def at(cls, bucket: str, folder: Path) -> "ObjectStoreBackend":
        root = f"{bucket}/models"
        return cls(root, ObjectRegistry(root, folder / "cache", clock=lambda: FROZEN), folder)

    def reopened(self, name: str = "other") -> Registry:
        return ObjectRegistry(self.root, self.folder / name)

    def pointer(self, moves: int) -> str:
        return f"m/.champion/{moves:020d}.json"

    def files(self, folder: str) -> set[str]:
        top = f"{self.root}/{folder}"
        return {entry.address.removeprefix(f"{top}/") for entry in objects.walk(top)}

    def read(self, name: str) -> bytes:
        return objects.read(f"{self.root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        objects.write(f"{self.root}/{name}", content)

    def remove(self, name: str) -> None:
        addresses = [entry.address for entry in objects.walk(f"{self.root}/{name}")]
        for address in addresses or [f"{self.root}/{name}"]:
            objects.delete(address)
