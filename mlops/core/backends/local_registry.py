"""A registry in a folder: TensorFlow Serving's layout, published by rename, numbered under a kernel lock.

`<root>/<name>/<version>/` holds the saved model and its manifest, `<root>/<name>/champion.json` the pointer, and
`<root>/<name>/.counter` the highest number ever given out. Reading needs the standard library alone.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops.core.backends import durable, manifest
from mlops.core.backends.manifest import Manifest
from mlops.core.backends.registry import LAST_VERSION, NAME, ModelVersion, Pointer, is_version
from mlops.core.errors import CorruptArtifact, RegistryError, did_you_mean

CHAMPION = "champion.json"
COUNTER = ".counter"
LOCK = ".lock"


class LocalRegistry:
    """Model versions in a folder of this machine; see `Registry` for what each method promises."""

    def __init__(self, root: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.root = root.absolute()
        self._clock = clock

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
            raise RegistryError(f"{nearest}: wanted a folder to write models to{_mode(nearest)}; make it writable, or name another store with MLOPS_HOME")

    def publish(self, name: str, saved_model: Path, about: Mapping[str, Any]) -> ModelVersion:
        """Copy a saved model in as the next version, whole or not at all."""
        self.check_writable(name)
        files = manifest.scan(saved_model)
        with self._writing(name) as folder:
            existing = self._published(name, manifest.total(files))
            if existing is not None:
                durable.sync(folder)
                return existing
            version = self._next_version(folder)
            staged = Manifest(name, version, self._now(), files, about).stage(saved_model, folder)
            # Nothing of this version can be seen before this line, and all of it is on the disk by then.
            staged.rename(folder / str(version))
            durable.sync(folder)
            return self.get(name, version)

    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte."""
        path = self._folder(name) / str(version)
        if not is_version(str(version)) or not path.is_dir():
            numbers = [str(number) for number in self._numbers(name)]
            raise RegistryError(f"{name}: no version {version}{did_you_mean(str(version), numbers)}" if numbers else self._unknown(name))
        written = Manifest.read(path)
        written.verify(path)
        return ModelVersion(name, version, path, written.digest, written.created, written.about)

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions that are whole, oldest first."""
        found = (self._get_whole(name, number) for number in self._numbers(name))
        return [version for version in found if version is not None]

    def verify(self, version: ModelVersion) -> None:
        """Check every byte of a version again."""
        if (now := self.get(version.name, version.version).digest) != version.digest:
            raise CorruptArtifact(f"{version.path}: wanted {version.digest}, got {now}")

    def resolve(self, name: str, reference: str) -> ModelVersion:
        """Return the version that `3@sha256:..` names."""
        pointer = Pointer.parse(reference)
        version = self.get(name, pointer.version)
        if version.digest != pointer.digest:
            raise RegistryError(f"{version.path}: wanted {pointer.digest}, but version {pointer.version} is {version.digest}; start a new run")
        return version

    def promote(self, name: str, version: int, replacing: str | None = None) -> ModelVersion:
        """Make a version the one in production, in the place of the one named, or of any."""
        promoted = self.get(name, version)
        with self._writing(name) as folder:
            state = self._state(name)
            current = _reference(state)
            if current == promoted.reference:
                return promoted
            if replacing is not None and current != replacing:
                raise RegistryError(
                    f"{name}: wanted {replacing or 'no version'} in production, but {current or 'none'} is; "
                    "the model was judged against another one: run the pipeline again"
                )
            previous = [*state.get("previous", []), *([state["champion"]] if current else [])]
            self._point(folder, state | {"champion": _entry(promoted), "previous": previous}, {"action": "promote", "from": current})
        return promoted

    def rollback(self, name: str) -> ModelVersion:
        """Make the previous version in production the one again; one that is no longer whole is passed over."""
        with self._writing(name) as folder:
            state = self._state(name)
            previous = list(state.get("previous", []))
            while previous:
                entry = previous.pop()
                version = self._get_whole(name, entry["version"])
                if version is not None and version.digest == entry["digest"]:
                    self._point(folder, state | {"champion": entry, "previous": previous}, {"action": "rollback", "from": _reference(state)})
                    return version
        raise RegistryError(f"{name}: there is no earlier version in production to go back to; `mlops models list {name}` shows what there is")

    def pointer(self, name: str) -> Pointer | None:
        """Return what is in production without checking its bytes."""
        entry = self._state(name).get("champion")
        return Pointer(entry["version"], entry["digest"]) if entry else None

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version in production after checking every byte."""
        pointer = self.pointer(name)
        return self.resolve(name, str(pointer)) if pointer else None

    def history(self, name: str) -> list[Mapping[str, Any]]:
        """Return every move of the pointer, oldest first."""
        return list(self._state(name).get("history", []))

    def withdrawn(self, name: str, digest: str) -> bool:
        """Whether the last move of the pointer that this model had a part in was a rollback away from it."""
        for move in reversed(self.history(name)):
            if move["digest"] == digest:
                return False
            if move["action"] == "rollback" and move["from"].endswith(f"@{digest}"):
                return True
        return False

    def problems(self, name: str) -> list[str]:
        """Say everything that is wrong under a name."""
        folder = self._folder(name)
        found = [f"{path}: left over from a push that was interrupted; the next push removes it" for path in sorted(folder.glob(f"{durable.STAGING}*"))]
        for number in self._numbers(name):
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
        if not NAME.fullmatch(name):
            raise RegistryError(f"wanted a model name of letters, digits, _ and -, got {name!r}")
        return self.root / name

    def _unknown(self, name: str) -> str:
        return f"{self.root}: no model {name!r}{did_you_mean(name, self.names())}"

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat(timespec="seconds")

    def _numbers(self, name: str) -> list[int]:
        folder = self._folder(name)
        return sorted(int(path.name) for path in folder.iterdir() if is_version(path.name) and path.is_dir()) if folder.is_dir() else []

    def _get_whole(self, name: str, number: int) -> ModelVersion | None:
        try:
            return self.get(name, number)
        except (CorruptArtifact, RegistryError):
            return None

    def _published(self, name: str, model_digest: str) -> ModelVersion | None:
        for number in reversed(self._numbers(name)):
            version = self._get_whole(name, number)
            if version is not None and version.digest == model_digest:
                return version
        return None

    def _next_version(self, folder: Path) -> int:
        """Take the next number from what was ever given out, so that neither a clock nor a deleted version can bring one back."""
        counter = folder / COUNTER
        given = counter.read_text(encoding="ascii").strip() if counter.exists() else "0"
        if given != "0" and not is_version(given):
            raise CorruptArtifact(f"{counter}: wanted the highest version ever given out, got {given!r}; write that number into it")
        version = max([int(given), *self._numbers(folder.name)]) + 1
        if version > LAST_VERSION:
            raise RegistryError(f"{folder}: a folder holds the last number there is, {LAST_VERSION}; remove it")
        durable.replace(counter, f"{version}\n".encode())
        return version

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        """Hold the lock of a name, clean up after writers that died, and leave nothing half-written behind."""
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
            raise RegistryError(f"{path}: {error.strerror or error}{_mode(path)}; mend that and try again: the same model is never published twice") from error

    def _state(self, name: str) -> dict[str, Any]:
        path = self._folder(name) / CHAMPION
        try:
            state = json.loads(path.read_bytes())
            for entry in (state["champion"], *state["previous"]):
                Pointer.parse(f"{entry['version']}@{entry['digest']}")
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, RegistryError) as error:
            raise CorruptArtifact(f"{path}: wanted a pointer to a version, got {error}; remove it and promote a version") from None
        return dict(state)

    def _point(self, folder: Path, state: Mapping[str, Any], action: Mapping[str, str]) -> None:
        move = {**action, **state["champion"], "at": self._now()}
        content = {"champion": state["champion"], "previous": state["previous"], "history": [*state.get("history", []), move]}
        durable.replace(folder / CHAMPION, (json.dumps(content, indent=2) + "\n").encode())


def _entry(version: ModelVersion) -> dict[str, Any]:
    return {"version": version.version, "digest": version.digest}


def _reference(state: Mapping[str, Any]) -> str:
    return "{version}@{digest}".format(**state["champion"]) if "champion" in state else ""


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
    return f" (mode {status.st_mode & 0o7777:04o}, owner {status.st_uid}, we are {os.geteuid()})"
