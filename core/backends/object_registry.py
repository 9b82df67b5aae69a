"""A registry in an object store: the layout of the local one, agreed on by objects that only one writer can create.

`<root>/<name>/<version>/` holds the saved model and its manifest, which is written last: without it nothing is there.
`<root>/<name>/.numbers/<number>.taken` says for which model a number was taken, and stays when the version is removed;
`.done` beside it says that the push came to its end.
`<root>/<name>/.champion/<number>.json` are the states of the pointer; the highest is the one that holds.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import digest, objects
from core.backends import manifest
from core.backends.manifest import FILE, REPAIR, Manifest
from core.backends.production import Production, ProductionRegistry, checked_name
from core.backends.registry import LAST_VERSION, NAME, ModelVersion, Pointer, is_version
from core.backends.version_cache import VersionCache
from core.errors import CorruptArtifact, NoSuchObject, RegistryError

CHAMPION = ".champion"
NUMBERS = ".numbers"  # not `.versions`: SeaweedFS keeps folders of that name for itself and lists none
_TAKEN = ".taken"
_DONE = ".done"
_STATE = ".json"
_NUMBERED = re.compile(r"([0-9]{20})(\.[a-z]+)", re.ASCII)
_TRIES = 100
"""Races for a number that may be lost before it is an error."""


class ObjectRegistry(ProductionRegistry):
    """Model versions in an object store; see `Registry` for what each method promises."""

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
        """Raise StoreError when the store refuses a write, or does not keep a promise that this registry stands on."""
        probe = objects.join(self._folder(name), NUMBERS, f"probe-{uuid.uuid4().hex}")
        objects.create(probe, probe.encode())
        objects.delete(probe)

    def publish(self, name: str, saved_model: Path, about: Mapping[str, Any]) -> ModelVersion:
        """Copy a saved model in as the next version; an interrupted push of the same model is continued."""
        files = manifest.scan(saved_model)
        model = digest.of_named(files)
        for _ in range(_TRIES):
            taken = self._taken(name)  # listed first: what is done by then is found by the next line
            version = self._published(name, model)
            if version is not None:
                return version
            number = self._unfinished(name, model, taken) or self._claim(name, model, taken)
            if number is not None:
                self._upload(saved_model, Manifest(name, number, self._now(), files, about))
                return self.get(name, number)
        raise RegistryError(f"{self._folder(name)}: {_TRIES} other pushes were quicker; try again")

    def discard(self, name: str, version: int) -> None:
        """Remove a version that was never in production, the manifest first; its number is not given out again."""
        self._check_never_promoted(name, version)
        folder = self._version_folder(name, version)
        objects.delete(objects.join(folder, FILE))
        for entry in objects.below(folder):
            objects.delete(entry.address)

    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte of its copy on this machine."""
        written, folder = self._manifest(name, version), self._version_folder(name, version)
        sizes = _sizes(written, folder)
        path = self._cache.bring(written, sizes, lambda file, target: _fetch(objects.join(folder, file), target))
        return ModelVersion(name, version, path, written.digest, written.created, written.about, folder)

    def versions(self, name: str) -> list[ModelVersion]:
        """Return the versions that have a sound manifest, oldest first, without bringing them here."""
        found = (self._listed(name, number) for number in self.numbers(name))
        return [version for version in found if version is not None]

    def numbers(self, name: str) -> list[int]:
        """Return the numbers that have a manifest, in order."""
        return [number for number, files in self._uploaded(name).items() if FILE in files]

    def problems(self, name: str) -> list[str]:
        """List what is wrong under a name, as the store has it.

        That is: missing or additional files, a broken manifest, a wrong byte of the champion.
        """
        found = []
        for number, files in self._uploaded(name).items():
            folder = self._version_folder(name, number)
            if FILE not in files:
                found.append(
                    f"{folder}: left by a push that was interrupted; "
                    "push the same model again to finish it, or remove the folder"
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
        for entry in objects.below(folder):
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
        written = Manifest.parse(content, objects.join(folder, FILE))
        if (written.name, written.version) != (name, version):
            raise CorruptArtifact(
                f"{folder}: its manifest is of {written.name} version {written.version}; "
                "a version cannot be copied or renamed"
            )
        return written

    def _listed(self, name: str, number: int) -> ModelVersion | None:
        try:
            written = self._manifest(name, number)
        except (CorruptArtifact, RegistryError):
            return None
        folder = self._version_folder(name, number)
        return ModelVersion(
            name, number, self._cache.path(name, number), written.digest, written.created, written.about, folder
        )

    def _published(self, name: str, model: str) -> ModelVersion | None:
        same = (version.version for version in reversed(self.versions(name)) if version.digest == model)
        return next((whole for whole in (self._get_whole(name, number) for number in same) if whole is not None), None)

    def _taken(self, name: str) -> dict[int, bool]:
        """Return the numbers that were ever given out, and of each whether its push came to an end."""
        found = _numbered(objects.join(self._folder(name), NUMBERS))
        return {number: number in found.get(_DONE, []) for number in found.get(_TAKEN, [])}

    def _unfinished(self, name: str, model: str, taken: Mapping[int, bool]) -> int | None:
        """Return the number of a push of this very model that has not come to an end, or is just going on."""
        with_manifest = self.numbers(name)
        unfinished = (number for number, done in taken.items() if not done and number not in with_manifest)
        return next(
            (
                number
                for number in unfinished
                if objects.read(self._claim_address(name, number)).startswith(f"{model}\n".encode())
            ),
            None,
        )

    def _claim(self, name: str, model: str, taken: Mapping[int, bool]) -> int | None:
        """Take the next number; None when another was quicker."""
        number = max([0, *taken, *self._uploaded(name)]) + 1
        if number > LAST_VERSION:
            raise RegistryError(
                f"{self._folder(name)}: a folder holds the last number there is, {LAST_VERSION}; remove it"
            )
        return (
            number
            if objects.create(self._claim_address(name, number), f"{model}\n{uuid.uuid4().hex}\n".encode())
            else None
        )

    def _claim_address(self, name: str, number: int, kind: str = _TAKEN) -> str:
        return objects.join(self._folder(name), NUMBERS, f"{number:020d}{kind}")

    def _upload(self, saved_model: Path, written: Manifest) -> None:
        folder = self._version_folder(written.name, written.version)
        for file, wanted in sorted(written.files.items()):
            objects.upload(saved_model / file, objects.join(folder, file), wanted)
        # Nothing of this version can be seen before the next line.
        # When two push the same model at once, one of them writes the manifest.
        objects.create(objects.join(folder, FILE), written.content())
        objects.write(self._claim_address(written.name, written.version, _DONE), b"")

    def _production(self, name: str) -> Production:
        return self._latest(name)[1]

    def _latest(self, name: str) -> tuple[int, Production]:
        folder = objects.join(self._folder(name), CHAMPION)
        number = max(_numbered(folder).get(_STATE, []), default=0)
        if not number:
            return 0, Production()
        address = objects.join(folder, f"{number:020d}{_STATE}")
        return number, Production.parse(objects.read(address), address)

    def _move(self, name: str, move: Callable[[Production], Production]) -> Production:
        for _ in range(_TRIES):
            number, state = self._latest(name)
            moved = move(state)
            if moved is state:
                return state
            address = objects.join(self._folder(name), CHAMPION, f"{number + 1:020d}{_STATE}")
            if objects.create(address, moved.content(nonce=uuid.uuid4().hex)):
                return moved
        raise RegistryError(f"{self._folder(name)}: the pointer was moved {_TRIES} times meanwhile; try again")


def _numbered(folder: str) -> dict[str, list[int]]:
    """Return the numbers of a folder's objects by what follows the number, in order."""
    found: dict[str, list[int]] = {}
    for match in (_NUMBERED.fullmatch(entry.name) for entry in objects.entries(folder)):
        if match:
            found.setdefault(match[2], []).append(int(match[1]))
    return found


def _sizes(written: Manifest, folder: str) -> dict[str, int]:
    """Return the sizes of a version's files; CorruptArtifact when there are others than the manifest's."""
    found = {entry.address.removeprefix(f"{folder}/"): entry.size for entry in objects.below(folder)}
    found.pop(FILE, None)
    for name in sorted(found.keys() ^ written.files.keys()):
        what = "not in the manifest" if name in found else "missing"
        raise CorruptArtifact(f"{objects.join(folder, name)}: {what}; {REPAIR}")
    return found


def _check_bytes(written: Manifest, wanted: Pointer, folder: str) -> None:
    """Read a version where it lies; CorruptArtifact when it is another one, or a file differs from the manifest."""
    if written.digest != wanted.digest:
        raise CorruptArtifact(f"{folder}: wanted {wanted.digest}, got {written.digest}")
    for name in sorted(_sizes(written, folder)):
        if (got := objects.digest_of(objects.join(folder, name))) != written.files[name]:
            wanted_digest = written.files[name]
            raise CorruptArtifact(f"{objects.join(folder, name)}: wanted {wanted_digest}, got {got}; {REPAIR}")


def _fetch(address: str, target: Path) -> str:
    try:
        return objects.download(address, target)
    except NoSuchObject as error:
        raise CorruptArtifact(f"{address}: missing; {REPAIR}") from error
