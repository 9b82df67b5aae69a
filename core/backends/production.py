"""Which version of a model is in production, and how that changes: the same wherever the versions lie."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.backends.manifest import Manifest
from core.backends.registry import NAME, ModelVersion, Pointer
from core.errors import CorruptArtifact, RegistryError, did_you_mean


@dataclass(frozen=True)
class Production:
    """A model's pointer; a move of it makes another."""

    champion: Pointer | None = None
    previous: tuple[Pointer, ...] = ()
    """What a rollback goes back to, the nearest last."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Every move, oldest first."""

    @classmethod
    def parse(cls, content: bytes, where: str) -> "Production":
        """Read what `content` wrote; CorruptArtifact, which says where it lies, for anything else."""
        try:
            state = json.loads(content)
            champion, *previous = (
                Pointer.parse(f"{entry['version']}@{entry['digest']}")
                for entry in (state["champion"], *state["previous"])
            )
            return cls(champion, tuple(previous), tuple(state.get("history", [])))
        except (ValueError, KeyError, TypeError, RegistryError) as error:
            raise CorruptArtifact(
                f"{where}: wanted a pointer to a version, got {error}; remove it and promote a version"
            ) from None

    def content(self, **more: str) -> bytes:
        """Write it out, with more keys that `parse` does not look at."""
        assert self.champion is not None
        state = {
            "champion": _entry(self.champion),
            "previous": [_entry(one) for one in self.previous],
            "history": list(self.history),
        }
        return (json.dumps(state | more, indent=2) + "\n").encode()

    @property
    def reference(self) -> str:
        """The version in production as `3@sha256:..`, "" when there is none."""
        return str(self.champion or "")

    def promoted(self, to: Pointer, at: str) -> "Production":
        """Put a version into production; nothing changes when it is there."""
        if to == self.champion:
            return self
        previous = (*self.previous, *([self.champion] if self.champion else []))
        return Production(to, previous, self._moved("promote", to, at))

    def rolled_back(self, is_whole: Callable[[Pointer], bool], at: str) -> "Production | None":
        """Go back to the nearest version before that is still whole; None when there is none."""
        for place in reversed(range(len(self.previous))):
            to = self.previous[place]
            if is_whole(to):
                return Production(to, self.previous[:place], self._moved("rollback", to, at))
        return None

    def withdrawn(self, digest: str) -> bool:
        """Whether the last move that this model had a part in was a rollback away from it."""
        for move in reversed(self.history):
            if move["digest"] == digest:
                return False
            if move["action"] == "rollback" and move["from"].endswith(f"@{digest}"):
                return True
        return False

    def _moved(self, action: str, to: Pointer, at: str) -> tuple[Mapping[str, Any], ...]:
        return (*self.history, {"action": action, "from": self.reference, **_entry(to), "at": at})


class ProductionRegistry(ABC):
    """What every registry does the same way, once it can read versions and move a pointer.

    See `Registry` for the promises.
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
    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte."""

    @abstractmethod
    def _manifest(self, name: str, version: int) -> Manifest:
        """Read a version's manifest; RegistryError when there is no such version, CorruptArtifact for a broken one."""

    @abstractmethod
    def _production(self, name: str) -> Production:
        """Read the pointer."""

    @abstractmethod
    def _move(self, name: str, move: Callable[[Production], Production]) -> Production:
        """Move the pointer from what it is to what `move` makes of that, as one step; return what it is then."""

    def verify(self, version: ModelVersion) -> None:
        """Check every byte of a version again."""
        if (now := self.get(version.name, version.version).digest) != version.digest:
            raise CorruptArtifact(f"{version.address}: wanted {version.digest}, got {now}")

    def resolve(self, name: str, reference: str) -> ModelVersion:
        """Return the version that `3@sha256:..` names."""
        wanted = Pointer.parse(reference)
        got = self._manifest(
            name, wanted.version
        ).digest  # a version of another content need not be brought here to be refused
        if got != wanted.digest:
            raise RegistryError(
                f"{name}: wanted {wanted.digest}, but version {wanted.version} is {got}; start a new run"
            )
        return self.get(name, wanted.version)

    def promote(self, name: str, version: int, replacing: str | None = None) -> ModelVersion:
        """Make a version the one in production, in the place of the one named, or of any."""
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

    def rollback(self, name: str) -> ModelVersion:
        """Make the previous version in production the one again; one that is no longer whole is passed over."""
        whole: dict[Pointer, ModelVersion] = {}

        def is_whole(pointer: Pointer) -> bool:
            version = self._get_whole(name, pointer.version)
            if version is not None and version.digest == pointer.digest:
                whole[pointer] = version
            return pointer in whole

        def move(state: Production) -> Production:
            moved = state.rolled_back(is_whole, self._now())
            if moved is None:
                raise RegistryError(
                    f"{name}: there is no earlier version in production to go back to; "
                    f"`mlops models list {name}` shows what there is"
                )
            return moved

        champion = self._move(name, move).champion
        assert champion is not None
        return whole[champion]

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
        """Whether the last move of the pointer that this model had a part in was a rollback away from it."""
        return self._production(name).withdrawn(digest)

    def _check_never_promoted(self, name: str, version: int) -> None:
        if version not in self.numbers(name):
            raise self._no_version(name, name, version)
        if any(move["version"] == version for move in self.history(name)):
            raise RegistryError(f"{name}: version {version} is or was in production and stays; roll back instead")

    def _get_whole(self, name: str, number: int) -> ModelVersion | None:
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
    """Return a model's name; RegistryError for one that could be a path."""
    if not NAME.fullmatch(name):
        raise RegistryError(f"wanted a model name of letters, digits, _ and -, got {name!r}")
    return name


def _entry(pointer: Pointer) -> dict[str, Any]:
    return {"version": pointer.version, "digest": pointer.digest}
