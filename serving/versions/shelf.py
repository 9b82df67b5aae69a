"""Where versions stand to be served: the registry, watched cheaply, or one exported SavedModel that is not published."""

from collections.abc import Hashable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from core.backends.registry import is_version, open_registry
from core.errors import CorruptArtifact, RegistryError
from serving.versions import mirror_progress


class Published(NamedTuple):
    """What a model's folder shows, before any byte of a version is checked."""

    champion: int | None
    versions: tuple[int, ...]
    """In order; a version that is not whole stands here too."""


class Verified(NamedTuple):
    """A version whose every byte was checked."""

    path: Path
    created: float | None
    """When it was published, as seconds since 1970."""


class Shelf(Protocol):
    """What the model manager asks, again and again."""

    def names(self) -> tuple[str, ...]:
        """Return the models there are."""

    def missing(self) -> str:
        """Say why models may be missing that are in production; "" when all are here."""

    def published(self, name: str) -> Published:
        """Return the versions of a model, cheaply; RegistryError or OSError when it cannot be told."""

    def stamp(self, name: str, version: int) -> Hashable:
        """Return something that changes when a version's folder is written to."""

    def verify(self, name: str, version: int) -> Verified:
        """Check a version's every byte; CorruptArtifact or RegistryError when it must not be served."""


class RegistryShelf:
    """The versions of the registry; `names` are the models to serve, all of them when empty."""

    def __init__(self, root: Path, names: tuple[str, ...] = ()) -> None:
        self._root = root
        self._names = names
        self._registry = open_registry(str(root))

    def names(self) -> tuple[str, ...]:
        """Return the models there are."""
        return self._names or tuple(self._registry.names())

    def missing(self) -> str:
        """Ask the mirror that fills the folder, where there is one."""
        progress = mirror_progress.read(self._root)
        return "" if progress.whole else progress.trouble

    def published(self, name: str) -> Published:
        """Read the pointer and list the folder; what looks like no version is not one."""
        folder = self._root / name
        versions = (
            sorted(int(path.name) for path in folder.iterdir() if is_version(path.name)) if folder.is_dir() else []
        )
        pointer = self._registry.pointer(name)
        return Published(pointer.version if pointer else None, tuple(versions))

    def stamp(self, name: str, version: int) -> Hashable:
        """Look at times and sizes of the folder, its manifest and its graph."""
        folder = self._root / name / str(version)
        return tuple(
            _stamp(path) for path in (folder, folder / "manifest.json", folder / "saved_model.pb", folder / "variables")
        )

    def verify(self, name: str, version: int) -> Verified:
        """Check the version against its manifest and, when it is in production, against the pointer's digest."""
        pointer = self._registry.pointer(name)
        known = self._registry.get(name, version)
        if pointer is not None and pointer.version == version and pointer.digest != known.digest:
            raise CorruptArtifact(
                f"{known.path}: in production is {pointer.digest}, but the folder holds {known.digest}; roll back, or push again"
            )
        return Verified(known.path, _seconds(known.created))


class SavedModelShelf:
    """One exported SavedModel, served as version 1; nothing is watched and there is no manifest to hold it against."""

    def __init__(self, name: str, saved_model: Path) -> None:
        self._name = name
        self._path = saved_model

    def names(self) -> tuple[str, ...]:
        """Return the one model."""
        return (self._name,)

    def missing(self) -> str:
        """Return nothing: the folder is there, or `verify` says so."""
        return ""

    def published(self, name: str) -> Published:  # noqa: ARG002 - the protocol's signature
        """Return the one version, in production."""
        return Published(1, (1,))

    def stamp(self, name: str, version: int) -> Hashable:  # noqa: ARG002 - the protocol's signature
        """Look at the graph file's time and size."""
        return _stamp(self._path / "saved_model.pb")

    def verify(self, name: str, version: int) -> Verified:  # noqa: ARG002 - the protocol's signature
        """Check only that there is a SavedModel; RegistryError otherwise."""
        if not (self._path / "saved_model.pb").is_file():
            raise RegistryError(f"{self._path}: wanted a SavedModel, found no saved_model.pb in it")
        return Verified(self._path, None)


def _stamp(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _seconds(created: str) -> float | None:
    try:
        return datetime.fromisoformat(created).timestamp()
    except ValueError:
        return None
