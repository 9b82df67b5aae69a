"""A registry in a folder, in TensorFlow Serving's layout; versions are published by rename, under a kernel lock.

`<root>/<name>/<version>/` has the saved model and its manifest, `<root>/<name>/champion.json` the pointer, and
`<root>/<name>/.counter` the highest number that was ever assigned. Reading needs the standard library alone.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import digest, durable
from core.backends.manifest import FILE, Manifest
from core.backends.pointer import LAST_VERSION, Pointer, is_version
from core.backends.production import Production
from core.backends.production_registry import ProductionRegistry, checked_name
from core.backends.registry import NAME, ModelVersion
from core.errors import CorruptArtifact, RegistryError

CHAMPION = "champion.json"
COUNTER = ".counter"
LOCK = ".lock"


class LocalRegistry(ProductionRegistry):
    """Model versions in a folder on this machine; `Registry` documents the methods."""

    def __init__(self, root: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(clock)
        self.root = root.absolute()

    @classmethod
    def opened(cls, root: str, _cache: Path | None) -> "LocalRegistry":
        """Open the registry at a path or a file:// address; its versions are local, so the cache is not used."""
        return cls(Path(root.removeprefix("file://")))

    def names(self) -> list[str]:
        """Return the names in order."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.is_dir() and NAME.fullmatch(path.name))

    def check_writable(self, name: str) -> None:
        """Raise RegistryError with path and mode when a publish would be refused."""
        folder = self._folder(name)
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
            raise RegistryError(
                f"{nearest}: wanted a folder to write models to{_mode(nearest)}; "
                "make it writable, or name another store with MLOPS_HOME"
            )

    def publish(self, name: str, saved_model: Path, about: Mapping[str, Any]) -> ModelVersion:
        """Copy a saved model in as the next version, atomically."""
        self.check_writable(name)
        files = self._scanned(saved_model)
        with self._writing(name) as folder:
            existing = self._published(name, digest.of_named(files))
            if existing is not None:
                durable.sync(folder)
                return existing
            version = self._next_version(folder)
            staged = Manifest(name, version, self._now(), files, about).signed().stage(saved_model, folder)
            # Readers see nothing of this version before the rename, and by then all of it is on the disk.
            staged.rename(folder / str(version))
            durable.sync(folder)
            return self.get(name, version)

    def discard(self, name: str, version: int) -> None:
        """Remove a version that was never in production; its number is not used again."""
        with self._writing(name) as folder:
            self._check_never_promoted(name, version)
            (folder / str(version)).rename(folder / f"{durable.STAGING}discarded-{version}")
            durable.sync(folder)
            _sweep(folder)

    def follow(self, name: str, champion: Pointer | None, rollouts: tuple[Mapping[str, Any], ...] | None) -> None:
        """Take over the state of the registry that this one is a copy of, atomically; None leaves that part as it is.

        The caller has checked the versions.
        """

        def move(state: Production, at: str) -> Production:
            moved = state if champion is None else state.promoted(champion, at)
            moved = moved if rollouts is None or moved.champion is None else replace(moved, rollouts=rollouts)
            return state if moved == state else moved

        if move(self._production(name), "") != self._production(name):
            self.roll(name, move)

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the intact versions, oldest first."""
        found = (self._get_if_intact(name, number) for number in self.numbers(name))
        return [version for version in found if version is not None]

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of the folders in order."""
        folder = self._folder(name)
        if not folder.is_dir():
            return []
        return sorted(int(path.name) for path in folder.iterdir() if is_version(path.name) and path.is_dir())

    def problems(self, name: str) -> list[str]:
        """List everything that is wrong under a name."""
        folder = self._folder(name)
        found = [
            f"{path}: left by an interrupted push; the next push removes it"
            for path in sorted(folder.glob(f"{durable.STAGING}*"))
        ]
        for number in self.numbers(name):
            try:
                self.get(name, number)
            except (CorruptArtifact, OSError) as error:
                found.append(str(error))
        try:
            self.champion(name)
        except (CorruptArtifact, RegistryError, OSError) as error:
            found.append(f"in production: {error}")
        return found

    def _folder(self, name: str) -> Path:
        return self.root / checked_name(name)

    def _checked(self, name: str, version: int, manifest: Manifest) -> ModelVersion:
        path = self._folder(name) / str(version)
        manifest.verify(path)
        return ModelVersion(
            name, version, path, manifest.digest, manifest.created, manifest.about, str(path), manifest.signed_by
        )

    def _rewrite(self, manifest: Manifest) -> None:
        with self._writing(manifest.name) as folder:
            # Beside the version, whose folder has the manifest's files and no other at any moment.
            staged = folder / f"{durable.STAGING}signed-{manifest.version}"
            durable.write(staged, manifest.content())
            staged.replace(folder / str(manifest.version) / FILE)
            durable.sync(folder / str(manifest.version))

    def _manifest(self, name: str, version: int) -> Manifest:
        path = self._folder(name) / str(version)
        if not is_version(str(version)) or not path.is_dir():
            raise self._no_version(str(self.root), name, version)
        return Manifest.read(path)

    def _published(self, name: str, model_digest: str) -> ModelVersion | None:
        for number in reversed(self.numbers(name)):
            version = self._get_if_intact(name, number)
            if version is not None and version.digest == model_digest:
                return version
        return None

    def _next_version(self, folder: Path) -> int:
        """Assign the number after the highest that was ever assigned: a removed version's is not used again."""
        counter = folder / COUNTER
        highest = counter.read_text(encoding="ascii").strip() if counter.exists() else "0"
        if highest != "0" and not is_version(highest):
            raise CorruptArtifact(
                f"{counter}: wanted the highest version ever assigned, got {highest!r}; write that number into it"
            )
        version = max([int(highest), *self.numbers(folder.name)]) + 1
        if version > LAST_VERSION:
            raise RegistryError(f"{folder}: a folder has the highest possible number, {LAST_VERSION}; remove it")
        durable.replace(counter, f"{version}\n".encode())
        return version

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        """Hold the lock of a name, and remove unfinished files: those of writers that died, and on an error our own."""
        folder = self._folder(name)
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                durable.sync(folder.parent)
            with durable.locked(folder / LOCK):
                _sweep(folder)
                try:
                    yield folder
                except BaseException:
                    _sweep(folder)
                    raise
        except OSError as error:
            path = Path(os.fsdecode(error.filename)) if error.filename else folder
            raise RegistryError(
                f"{path}: {error.strerror or error}{_mode(path)}; "
                "fix that and try again: a model that was published before is not published twice"
            ) from error

    def _production(self, name: str) -> Production:
        path = self._folder(name) / CHAMPION
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return Production()
        return Production.parse(content, str(path))

    def _move(self, name: str, move: Callable[[Production], Production]) -> Production:
        with self._writing(name) as folder:
            state = self._production(name)
            moved = move(state)
            if moved is not state:
                durable.replace(folder / CHAMPION, moved.content())
            return moved


def _sweep(folder: Path) -> None:
    for path in folder.glob(f"{durable.STAGING}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _mode(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f" (mode {status.st_mode & 0o7777:04o}, owner {status.st_uid}, this process runs as {os.geteuid()})"
