"""Where the controller of a server leaves what it decided last: for people, and for workers when a canary is aborted.

Workers heed an abort here at once, also when the registry cannot be written.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import durable
from core.backends.canary import Canary
from core.decision import Decision, Verdict
from core.errors import RegistryError

OUTCOMES = "canaries"
"""The folder below the one that a server writes to."""


@dataclass(frozen=True)
class Outcomes:
    """The latest decisions by model, in a folder of this machine."""

    folder: Path

    def write(self, model: str, canary: Canary, decision: Decision) -> None:
        """Keep a decision about a canary."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"canary": _key(canary), "decision": decision.model_dump(mode="json")}
        durable.replace(self._path(model), json.dumps(content, indent=2).encode())

    def read(self, model: str, canary: Canary) -> dict[str, Any] | None:
        """Return the latest decision about a canary at its present share, as JSON; None when there is none."""
        try:
            content = json.loads(self._path(model).read_bytes())
        except (OSError, ValueError):
            return None
        decision: dict[str, Any] = content["decision"]
        return decision if content["canary"] == _key(canary) else None

    def is_aborted(self, model: str, canary: Canary) -> bool:
        """Whether a canary was aborted at its present share."""
        decision = self.read(model, canary)
        return decision is not None and decision["verdict"] == Verdict.FAIL

    def _path(self, model: str) -> Path:
        if "/" in model:
            raise RegistryError(f"wanted the name of a model, got {model!r}")
        return self.folder / f"{model}.json"


def _key(canary: Canary) -> list[str | int]:
    return [str(canary.to), canary.against, canary.since, canary.stage]
