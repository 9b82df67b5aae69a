"""Where the versions to serve come from: the registry, or one exported SavedModel that is not published."""

from collections.abc import Callable, Hashable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from core.backends.canary import Canary
from core.backends.pointer import is_version
from core.backends.registry import open_registry
from core.errors import CorruptArtifact, RegistryError
from serving.versions import mirror_progress
from serving.versions.split import Split

Aborted = Callable[[str, Canary], bool]
"""Whether a model's canary was aborted on this machine before the registry says so."""


class Published(NamedTuple):
    """A model's versions as listed, before any of them is checked."""

    champion: int | None
    versions: tuple[int, ...]
    """In order; incomplete versions are listed too."""
    canary: Split | None = None
    """Which requests a canary answers; None without one."""


class Verified(NamedTuple):
    """A version whose files all match its manifest."""

    path: Path
    created: float | None
    """When it was published, as seconds since 1970."""


class Shelf(Protocol):
    """What the model manager polls."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the models."""

    def missing(self) -> str:
        """Return why models in production may be missing; "" when none is."""

    def published(self, name: str) -> Published:
        """Return the versions of a model without reading them; RegistryError or OSError when they cannot be listed."""

    def stamp(self, name: str, version: int) -> Hashable:
        """Return something that changes when a version's folder is written to."""

    def verify(self, name: str, version: int) -> Verified:
        """Check all files of a version; CorruptArtifact or RegistryError when it must not be served."""


class RegistryShelf:
    """The versions of the registry; `names` are the models to serve, all of them when empty."""

    def __init__(
        self, root: Path, names: tuple[str, ...] = (), aborted: Aborted = lambda _name, _canary: False
    ) -> None:
        self._root = root
        self._names = names
        self._aborted = aborted
        self._registry = open_registry(str(root))

    def names(self) -> tuple[str, ...]:
        """Return the names that were asked for, or those of all models."""
        return self._names or tuple(self._registry.names())

    def missing(self) -> str:
        """Ask the mirror that fills the folder, if one does."""
        progress = mirror_progress.read(self._root)
        return "" if progress.whole else progress.trouble

    def published(self, name: str) -> Published:
        """Read the pointer and list the folder; names that are no version numbers are skipped."""
        folder = self._root / name
        versions = (
            sorted(int(path.name) for path in folder.iterdir() if is_version(path.name)) if folder.is_dir() else []
        )
        state = self._registry.state(name)
        canary = state.canary
        split = Split.of(name, canary) if canary and not self._aborted(name, canary) else None
        return Published(state.champion.version if state.champion else None, tuple(versions), split)

    def stamp(self, name: str, version: int) -> Hashable:
        """Return times and sizes of the folder and of all that is in it."""
        folder = self._root / name / str(version)
        return tuple((path, _stamp(path)) for path in (folder, *sorted(folder.rglob("*"))))

    def verify(self, name: str, version: int) -> Verified:
        """Check the version against its manifest and, when it is in production, against the pointer's digest."""
        pointer = self._registry.pointer(name)
        known = self._registry.get(name, version)
        if pointer is not None and pointer.version == version and pointer.digest != known.digest:
            raise CorruptArtifact(
                f"{known.path}: {pointer.digest} is in production, but the folder holds {known.digest}; "
                "roll back, or push again"
            )
        return Verified(known.path, _seconds(known.created))


class SavedModelShelf:
    """One exported SavedModel, served as version 1, without a manifest to check it against."""

    def __init__(self, name: str, saved_model: Path) -> None:
        self._name = name
        self._path = saved_model

    def names(self) -> tuple[str, ...]:
        """Return the one model."""
        return (self._name,)

    def missing(self) -> str:
        """Return "": `verify` raises when the folder does not exist."""
        return ""

    def published(self, name: str) -> Published:  # noqa: ARG002 - the protocol's signature
        """Return the one version, in production."""
        return Published(1, (1,))

    def stamp(self, name: str, version: int) -> Hashable:  # noqa: ARG002 - the protocol's signature
        """Return the graph file's time and size."""
        return _stamp(self._path / "saved_model.pb")

    def verify(self, name: str, version: int) -> Verified:  # noqa: ARG002 - the protocol's signature
        """Check only that the SavedModel exists; RegistryError otherwise."""
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
