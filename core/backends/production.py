"""The pointer to the version in production, and how promotions and rollbacks move it; shared by all registries."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from core.backends import canary
from core.backends.canary import Canary, CanaryPlan, Note
from core.backends.manifest import Manifest
from core.backends.registry import NAME, ModelVersion, Pointer
from core.errors import CorruptArtifact, RegistryError, UsageError, did_you_mean


@dataclass(frozen=True)
class Production:
    """An immutable state of a model's pointer; a move returns a new state."""

    champion: Pointer | None = None
    """The version in production."""
    previous: tuple[Pointer, ...] = ()
    """The versions that a rollback goes back to, the most recent last."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Every move, oldest first."""
    rollouts: tuple[Mapping[str, Any], ...] = ()
    """The events of canaries, oldest first; see `core.backends.canary`."""

    @classmethod
    def parse(cls, content: bytes, where: str) -> "Production":
        """Parse the output of `content`; CorruptArtifact, which names `where`, for anything else."""
        try:
            state = json.loads(content)
            champion = _pointer(state["champion"])
            previous = tuple(_pointer(entry) for entry in state["previous"])
            parsed = cls(champion, previous, tuple(state.get("history", [])), tuple(state.get("rollouts", [])))
            canary.running(parsed.rollouts)
            return parsed
        except (ValueError, KeyError, TypeError, RegistryError, UsageError) as error:
            raise CorruptArtifact(
                f"{where}: wanted a pointer to a version, got {error}; remove it and promote a version"
            ) from None

    def content(self, **more: str) -> bytes:
        """Serialize to JSON; `more` are additional keys that `parse` ignores."""
        assert self.champion is not None
        state = {
            "champion": _entry(self.champion),
            "previous": [_entry(pointer) for pointer in self.previous],
            "history": list(self.history),
            **({"rollouts": list(self.rollouts)} if self.rollouts else {}),
        }
        return (json.dumps(state | more, indent=2) + "\n").encode()

    @property
    def reference(self) -> str:
        """Reference of the version in production, such as `3@sha256:..`; "" when there is none."""
        return str(self.champion or "")

    @property
    def canary(self) -> Canary | None:
        """The canary that runs."""
        return canary.running(self.rollouts)

    def promoted(self, to: Pointer, at: str, note: Note = Note()) -> "Production":  # noqa: B008 - frozen
        """Put a version into production; the same state when it is in production already.

        A canary ends with it: it is the version that was promoted, or it was compared with another champion.
        """
        if to == self.champion:
            return self
        previous = (*self.previous, *([self.champion] if self.champion else []))
        running, rollouts = self.canary, self.rollouts
        if running is not None:
            action = "promote" if running.to == to else "superseded"
            rollouts = self.noted(action, at, note).rollouts
        return Production(to, previous, self._moved("promote", to, at), rollouts)

    def begun(self, to: Pointer, plan: CanaryPlan, at: str, note: Note) -> "Production":
        """Start a canary beside the champion; the caller has made sure that there is one, and no canary."""
        assert self.champion is not None
        event = canary.started(to, self.champion, plan) | self._when(at) | note.fields()
        return replace(self, rollouts=(*self.rollouts, event))

    def noted(self, action: str, at: str, note: Note, **more: Any) -> "Production":
        """Add an event of the running canary: step (with its `percent`), pass, abort, stop, promote or superseded."""
        running = self.canary
        assert running is not None
        event = {"action": action, **_entry(running.to), "percent": running.percent, **more}
        return replace(self, rollouts=(*self.rollouts, event | self._when(at) | note.fields()))

    def rolled_back(self, is_intact: Callable[[Pointer], bool], at: str) -> "Production | None":
        """Go back to the most recent previous version that is intact; None when there is none."""
        for index in reversed(range(len(self.previous))):
            to = self.previous[index]
            if is_intact(to):
                return Production(to, self.previous[:index], self._moved("rollback", to, at), self.rollouts)
        return None

    def withdrawn(self, digest: str) -> bool:
        """Whether the last move from or to this model was a rollback away from it, or its last canary was aborted."""
        ended = [event for event in self.rollouts if event["digest"] == digest and event["action"] in {"abort", "stop"}]
        since = ended[-1]["moves"] if ended else len(self.history)
        if ended and all(move["digest"] != digest for move in self.history[since:]):
            return True
        for move in reversed(self.history):
            if move["digest"] == digest:
                return False
            if move["action"] == "rollback" and move["from"].endswith(f"@{digest}"):
                return True
        return False

    def _when(self, at: str) -> dict[str, Any]:
        """Say when an event happened, also as the number of moves before it."""
        return {"at": at, "moves": len(self.history)}

    def _moved(self, action: str, to: Pointer, at: str) -> tuple[Mapping[str, Any], ...]:
        return (*self.history, {"action": action, "from": self.reference, **_entry(to), "at": at})


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
    def get(self, name: str, version: int) -> ModelVersion:
        """Return a version after checking every byte."""

    @abstractmethod
    def _manifest(self, name: str, version: int) -> Manifest:
        """Read a version's manifest; RegistryError when there is no such version, CorruptArtifact for a damaged one."""

    @abstractmethod
    def _production(self, name: str) -> Production:
        """Read the pointer."""

    @abstractmethod
    def _move(self, name: str, move: Callable[[Production], Production]) -> Production:
        """Replace the state of the pointer by what `move` returns for it, atomically; return the new state."""

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


def _entry(pointer: Pointer) -> dict[str, Any]:
    return {"version": pointer.version, "digest": pointer.digest}


def _pointer(entry: Mapping[str, Any]) -> Pointer:
    return Pointer.parse(f"{entry['version']}@{entry['digest']}")
