"""A registry in an object store, in the local one's layout; writers compete by objects that only one can create.

`<root>/<name>/<version>/` has the saved model and its manifest, which is written last: a version without one does not
exist. `<root>/<name>/.numbers/<number>.taken` has the digest of the model that a number was assigned to, and stays when
the version is removed; `.done` beside it marks a finished push.
`<root>/<name>/.champion/<number>.json` are the states of the pointer; the highest number is the current one.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import digest, objects
from core.backends.manifest import FILE, REPAIR, Manifest
from core.backends.numbered_log import NumberedLog
from core.backends.places import ObjectPlace
from core.backends.pointer import LAST_VERSION, Pointer, is_version
from core.backends.production import Production
from core.backends.production_registry import ProductionRegistry, checked_name
from core.backends.registry import NAME, ModelVersion
from core.backends.version_cache import VersionCache
from core.errors import CorruptArtifact, NoSuchObject, RegistryError

CHAMPION = ".champion"
NUMBERS = ".numbers"  # not `.versions`: SeaweedFS reserves folders of that name and does not list them
_TAKEN = ".taken"
_DONE = ".done"
_NUMBERED = re.compile(r"([0-9]{20})(\.[a-z]+)", re.ASCII)
_TRIES = 100
"""How often another writer may take the same number first before it is an error."""


class ObjectRegistry(ProductionRegistry):
    """Model versions in an object store; `Registry` documents the methods."""

    def __init__(
        self, root: str, cache: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(clock)
        self.root = objects.checked(root)
        self._cache = VersionCache(self.root, cache)

    @classmethod
    def opened(cls, root: str, cache: Path | None) -> "ObjectRegistry":
        """Open the registry at an address."""
        return cls(root, cache)

    def names(self) -> list[str]:
        """Return the names in order."""
        return [entry.name for entry in objects.entries(self.root) if entry.is_folder and NAME.fullmatch(entry.name)]

    def check_writable(self, name: str) -> None:
        """Raise StoreError when the store refuses a write, or does not honour If-None-Match."""
        probe = objects.join(self._folder(name), NUMBERS, f"probe-{uuid.uuid4().hex}")
        objects.create(probe, probe.encode())
        objects.delete(probe)

    def publish(self, name: str, saved_model: Path, about: Mapping[str, Any]) -> ModelVersion:
        """Copy a saved model in as the next version; an interrupted push of the same model is continued."""
        files = self._scanned(saved_model)
        model = digest.of_named(files)
        for _ in range(_TRIES):
            # In this order: what was uploaded by now has been taken before, and `_published` finds every push that ends
            # until it looks, so that whoever takes a number later is met by the same number or the same model.
            uploaded = self._uploaded(name)
            taken = self._taken(name)
            version = self._published(name, model)
            if version is not None:
                return version
            number = self._unfinished(name, model, taken, uploaded)
            if number is None:
                number = self._claim(name, model, max([0, *taken, *uploaded]) + 1)
            if number is not None:
                self._upload(saved_model, Manifest(name, number, self._now(), files, about).signed())
                return self.get(name, number)
        raise RegistryError(f"{self._folder(name)}: other pushes took the next number {_TRIES} times; try again")

    def discard(self, name: str, version: int) -> None:
        """Remove a version that was never in production, the manifest first; its number is not used again."""
        self._check_never_promoted(name, version)
        folder = self._version_folder(name, version)
        objects.delete(objects.join(folder, FILE))
        for entry in objects.walk(folder):
            objects.delete(entry.address)

    def _checked(self, name: str, version: int, manifest: Manifest) -> ModelVersion:
        folder = self._version_folder(name, version)
        path = self._cache.fetch(
            manifest,
            _sizes(manifest, folder),
            lambda file, target: _download(objects.join(folder, file), target),
        )
        return self._version(manifest, path)

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions that have a valid manifest, oldest first, without downloading them."""
        found = (self._listed(name, number) for number in self.numbers(name))
        return [version for version in found if version is not None]

    def numbers(self, name: str) -> list[int]:
        """Return the numbers that have a manifest, in order."""
        return [number for number, files in self._uploaded(name).items() if FILE in files]

    def problems(self, name: str) -> list[str]:
        """List what is wrong under a name in the store.

        That is: missing or additional files, a damaged manifest, a changed byte of the champion.
        """
        found = []
        for number, files in self._uploaded(name).items():
            folder = self._version_folder(name, number)
            if FILE not in files:
                found.append(
                    f"{folder}: left by an interrupted push; push the same model again to finish it, "
                    "or remove the folder"
                )
                continue
            try:
                _sizes(self._manifest(name, number), folder)
            except CorruptArtifact as error:
                found.append(str(error))
        try:
            champion = self.pointer(name)
            if champion is not None:
                _check_bytes(
                    self._manifest(name, champion.version), champion, self._version_folder(name, champion.version)
                )
        except (CorruptArtifact, RegistryError) as error:
            found.append(f"in production: {error}")
        return found

    def _folder(self, name: str) -> str:
        return objects.join(self.root, checked_name(name))

    def _version_folder(self, name: str, version: int) -> str:
        return objects.join(self._folder(name), version)

    def _uploaded(self, name: str) -> dict[int, set[str]]:
        """Return the files below each version's folder, in order of the versions."""
        folder = self._folder(name)
        found: dict[int, set[str]] = {}
        for entry in objects.walk(folder):
            number, _, file = entry.address.removeprefix(f"{folder}/").partition("/")
            if file and is_version(number):
                found.setdefault(int(number), set()).add(file)
        return dict(sorted(found.items()))

    def _manifest(self, name: str, version: int) -> Manifest:
        folder = self._version_folder(name, version)
        if not is_version(str(version)):
            raise self._no_version(self.root, name, version)
        try:
            content = objects.read(objects.join(folder, FILE))
        except NoSuchObject:
            raise self._no_version(self.root, name, version) from None
        manifest = Manifest.parse(content, objects.join(folder, FILE))
        manifest.check_belongs_to(name, str(version), folder)
        return manifest

    def _listed(self, name: str, number: int) -> ModelVersion | None:
        try:
            manifest = self._manifest(name, number)
        except (CorruptArtifact, RegistryError):
            return None
        return self._version(manifest, self._cache.path(name, number))

    def _version(self, manifest: Manifest, path: Path) -> ModelVersion:
        name, number = manifest.name, manifest.version
        address = self._version_folder(name, number)
        origin = (manifest.digest, manifest.created, manifest.about)
        return ModelVersion(name, number, path, *origin, address, manifest.signed_by)

    def _published(self, name: str, model: str) -> ModelVersion | None:
        for version in reversed(self.versions(name)):
            intact = self._get_if_intact(name, version.version) if version.digest == model else None
            if intact is not None:
                return intact
        return None

    def _taken(self, name: str) -> dict[int, bool]:
        """Return the numbers that were ever assigned, and for each whether its push finished."""
        found = _numbered(objects.join(self._folder(name), NUMBERS))
        return {number: number in found.get(_DONE, []) for number in found.get(_TAKEN, [])}

    def _unfinished(
        self, name: str, model: str, taken: Mapping[int, bool], uploaded: Mapping[int, set[str]]
    ) -> int | None:
        """Return the number of an interrupted or running push of the same model; None when there is none."""
        for number, done in taken.items():
            if done or FILE in uploaded.get(number, ()):
                continue
            if objects.read(self._claim_address(name, number)).startswith(f"{model}\n".encode()):
                return number
        return None

    def _claim(self, name: str, model: str, number: int) -> int | None:
        """Take a number; None when another push took it first."""
        if number > LAST_VERSION:
            raise RegistryError(
                f"{self._folder(name)}: a folder has the highest possible number, {LAST_VERSION}; remove it"
            )
        claim = f"{model}\n{uuid.uuid4().hex}\n".encode()
        return number if objects.create(self._claim_address(name, number), claim) else None

    def _claim_address(self, name: str, number: int, kind: str = _TAKEN) -> str:
        return objects.join(self._folder(name), NUMBERS, f"{number:020d}{kind}")

    def _upload(self, saved_model: Path, manifest: Manifest) -> None:
        folder = self._version_folder(manifest.name, manifest.version)
        for file, wanted in sorted(manifest.files.items()):
            objects.upload(saved_model / file, objects.join(folder, file), wanted)
        # Readers see nothing of this version before its manifest exists.
        # When two processes push the same model at once, one of them creates the manifest.
        objects.create(objects.join(folder, FILE), manifest.content())
        objects.write(self._claim_address(manifest.name, manifest.version, _DONE), b"")

    def _rewrite(self, manifest: Manifest) -> None:
        objects.write(objects.join(self._version_folder(manifest.name, manifest.version), FILE), manifest.content())

    def _production(self, name: str) -> Production:
        return self._latest(name)[1]

    def _latest(self, name: str) -> tuple[int, Production]:
        states = self._states(name)
        number, content = states.latest()
        return number, Production.parse(content, states.address(number)) if number else Production()

    def _move(self, name: str, move: Callable[[Production], Production]) -> Production:
        for _ in range(_TRIES):
            number, state = self._latest(name)
            moved = move(state)
            if moved is state:
                return state
            if self._states(name).append(number, moved.content(nonce=uuid.uuid4().hex)):
                return moved
        raise RegistryError(f"{self._folder(name)}: other processes moved the pointer {_TRIES} times; try again")

    def _states(self, name: str) -> NumberedLog:
        return NumberedLog(ObjectPlace(self._folder(name)), CHAMPION)


def fetch_copy(folder: str, cache: Path) -> Manifest:
    """Download a version's folder, wherever it was copied to, into the layout of a local registry.

    Returns its manifest. Only the manifest's files are read, and every byte of them is checked. Raises CorruptArtifact
    when one is missing or differs, and when there is no manifest.
    """
    try:
        manifest = Manifest.parse(objects.read(objects.join(folder, FILE)), objects.join(folder, FILE))
    except NoSuchObject:
        raise CorruptArtifact(
            f"{folder}: wanted a published model version, found no {FILE} there; "
            "publish the model, and use the folder of its version"
        ) from None
    checked_name(manifest.name)
    found = {entry.address.removeprefix(f"{folder}/"): entry.size for entry in objects.walk(folder)}
    sizes = {name: size for name, size in found.items() if name in manifest.files}
    manifest.check_names(sizes, folder)
    VersionCache(folder, cache).fetch(
        manifest, sizes, lambda file, target: _download(objects.join(folder, file), target)
    )
    return manifest


def _numbered(folder: str) -> dict[str, list[int]]:
    """Return the numbers of a folder's objects, in order, by the suffix after the number."""
    found: dict[str, list[int]] = {}
    for entry in objects.entries(folder):
        match = _NUMBERED.fullmatch(entry.name)
        if match:
            found.setdefault(match[2], []).append(int(match[1]))
    return found


def _sizes(manifest: Manifest, folder: str) -> dict[str, int]:
    """Return the sizes of a version's files in bytes; CorruptArtifact when they are not exactly the manifest's."""
    sizes = {entry.address.removeprefix(f"{folder}/"): entry.size for entry in objects.walk(folder)}
    sizes.pop(FILE, None)
    manifest.check_names(sizes, folder)
    return sizes


def _check_bytes(manifest: Manifest, wanted: Pointer, folder: str) -> None:
    """Read a version in the store; CorruptArtifact when it is another one, or a file differs from the manifest."""
    if manifest.digest != wanted.digest:
        raise CorruptArtifact(f"{folder}: wanted {wanted.digest}, got {manifest.digest}")
    for name in sorted(_sizes(manifest, folder)):
        got = objects.digest_of(objects.join(folder, name))
        if got != manifest.files[name]:
            raise CorruptArtifact(f"{objects.join(folder, name)}: wanted {manifest.files[name]}, got {got}; {REPAIR}")


def _download(address: str, target: Path) -> str:
    try:
        return objects.download(address, target)
    except NoSuchObject as error:
        raise CorruptArtifact(f"{address}: missing; {REPAIR}") from error
