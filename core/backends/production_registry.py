"""The methods that all registries share: they read versions, and move the pointer."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.backends import signature
from core.backends.canary import Note
from core.backends.manifest import Manifest, scan
from core.backends.pointer import Pointer
from core.backends.production import Production
from core.backends.registry import NAME, ModelVersion
from core.errors import CorruptArtifact, RegistryError, UsageError, did_you_mean


class ProductionRegistry(ABC):
    """The methods that all registries share, based on reading versions and moving the pointer.

    `Registry` documents them.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names in order."""

    @abstractmethod
    def numbers(self, name: str) -> list[int]:
        """Return the numbers of a name's versions in order, without reading them."""

    @abstractmethod
    def _manifest(self, name: str, version: int) -> Manifest:
        """Read a version's manifest; RegistryError when there is no such version, CorruptArtifact for a damaged one."""

    @abstractmethod
    def _checked(self, name: str, version: int, manifest: Manifest) -> ModelVersion:
        """Return a version after checking every byte against its manifest; CorruptArtifact when it is damaged."""

    @abstractmethod
    def _rewrite(self, manifest: Manifest) -> None:
        """Replace a version's manifest by one that says the same, atomically."""

    @abstractmethod
    def _production(self, name: str) -> Production:
        """Read the pointer."""

    @abstractmethod
    def _move(self, name: str, move: Callable[[Production], Production]) -> Production:
        """Replace the state of the pointer by what `move` returns for it, atomically; return the new state."""

    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte, and who signed it."""
        manifest = self._manifest(name, version)
        found = self._checked(name, version, manifest)
        signature.demand(manifest.signature, manifest.seal, found.address)
        return found

    def sign(self, name: str, version: int) -> ModelVersion:
        """Sign a version that was published."""
        if not os.environ.get(signature.SIGNING_KEY):
            raise UsageError(f"{signature.SIGNING_KEY}: wanted the path of the key to sign with, got none")
        manifest = self._manifest(name, version)
        self._checked(name, version, manifest)
        signed = manifest.signed()
        if signed != manifest:
            self._rewrite(signed)
        return self.get(name, version)

    def verify(self, version: ModelVersion) -> None:
        """Check every byte of a version again."""
        got = self.get(version.name, version.version).digest
        if got != version.digest:
            raise CorruptArtifact(f"{version.address}: wanted {version.digest}, got {got}")

    def resolve(self, name: str, reference: str) -> ModelVersion:
        """Return the version that `3@sha256:..` names."""
        wanted = Pointer.parse(reference)
        # The manifest is enough to refuse another model: nothing need be downloaded for that.
        got = self._manifest(name, wanted.version).digest
        if got != wanted.digest:
            raise RegistryError(
                f"{name}: wanted {wanted.digest}, but version {wanted.version} is {got}; start a new run"
            )
        return self.get(name, wanted.version)

    def promote(self, name: str, version: int, replacing: str | None = None) -> ModelVersion:
        """Put a version into production in place of `replacing`, or of any version when that is None."""
        promoted = self.get(name, version)
        to = Pointer(promoted.version, promoted.digest)

        def move(state: Production) -> Production:
            if replacing is not None and state.reference not in {replacing, promoted.reference}:
                raise RegistryError(
                    f"{name}: wanted {replacing or 'no version'} in production, but {state.reference or 'none'} is; "
                    "the model was compared with another one: run the pipeline again"
                )
            return state.promoted(to, self._now())

        self._move(name, move)
        return promoted

    def state(self, name: str) -> Production:
        """Read pointer, history and rollouts at one moment."""
        return self._production(name)

    def roll(self, name: str, move: Callable[[Production, str], Production]) -> Production:
        """Change the state atomically."""
        return self._move(name, lambda state: move(state, self._now()))

    def rollback(self, name: str, note: Note = Note()) -> ModelVersion:  # noqa: B008 - frozen
        """Undo the last change: end a canary, else put the previous version back; one not intact is skipped."""
        intact: dict[Pointer, ModelVersion] = {}

        def is_intact(pointer: Pointer) -> bool:
            version = self._get_if_intact(name, pointer.version)
            if version is not None and version.digest == pointer.digest:
                intact[pointer] = version
            return pointer in intact

        def move(state: Production) -> Production:
            if state.canary is not None:
                return state.noted("stop", self._now(), note)
            moved = state.rolled_back(is_intact, self._now())
            if moved is None:
                raise RegistryError(
                    f"{name}: there is no earlier version in production to go back to; "
                    f"`mlops models list {name}` lists the versions"
                )
            return moved

        champion = self._move(name, move).champion
        assert champion is not None
        return intact.get(champion) or self.resolve(name, str(champion))

    def pointer(self, name: str) -> Pointer | None:
        """Return what is in production without checking its bytes."""
        return self._production(name).champion

    def champion(self, name: str) -> ModelVersion | None:
        """Return the version in production after checking every byte."""
        pointer = self.pointer(name)
        return self.resolve(name, str(pointer)) if pointer else None

    def history(self, name: str) -> list[Mapping[str, Any]]:
        """Return every move of the pointer, oldest first."""
        return list(self._production(name).history)

    def withdrawn(self, name: str, digest: str) -> bool:
        """Whether this model was rolled back, or aborted as a canary, and not promoted since."""
        return self._production(name).withdrawn(digest)

    def _check_never_promoted(self, name: str, version: int) -> None:
        if version not in self.numbers(name):
            raise self._no_version(name, name, version)
        state = self._production(name)
        if any(move["version"] == version for move in (*state.history, *state.rollouts)):
            raise RegistryError(f"{name}: version {version} is or was in production and stays; roll back instead")

    def _scanned(self, saved_model: Path) -> dict[str, str]:
        """Digest every file of a saved model that is to be published; RegistryError when it must not be."""
        signature.check_can_publish()
        return scan(saved_model)

    def _get_if_intact(self, name: str, number: int) -> ModelVersion | None:
        try:
            return self.get(name, number)
        except (CorruptArtifact, RegistryError):
            return None

    def _no_version(self, root: str, name: str, version: int) -> RegistryError:
        numbers = [str(number) for number in self.numbers(name)]
        if numbers:
            return RegistryError(f"{name}: no version {version}{did_you_mean(str(version), numbers)}")
        return RegistryError(f"{root}: no model {name!r}{did_you_mean(name, self.names())}")

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat(timespec="seconds")


def checked_name(name: str) -> str:
    """Return a valid model name; RegistryError for any other text, such as a path."""
    if not NAME.fullmatch(name):
        raise RegistryError(f"wanted a model name of letters, digits, _ and -, got {name!r}")
    return name
