"""The pointer to the version in production, and how promotions, rollbacks and canaries move it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.backends import canary
from core.backends.canary import Canary, CanaryPlan, Note
from core.backends.pointer import Pointer
from core.errors import CorruptArtifact, RegistryError, UsageError


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


def _entry(pointer: Pointer) -> dict[str, Any]:
    return {"version": pointer.version, "digest": pointer.digest}


def _pointer(entry: Mapping[str, Any]) -> Pointer:
    return Pointer.parse(f"{entry['version']}@{entry['digest']}")
