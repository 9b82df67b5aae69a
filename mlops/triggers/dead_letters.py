"""Events that may start nothing and decisions that failed, one file each, until somebody retries or removes them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import durable
from core.digest import of_bytes
from core.errors import MlopsError, UsageError, did_you_mean

MOST = 1_000
"""Letters that are kept; beyond, nothing more is taken, so that a sender gone wild does not fill the disk."""


class Full(MlopsError):
    """There are as many dead letters as are kept."""


@dataclass(frozen=True)
class DeadLetter:
    """One event or decision that waits for a person."""

    name: str
    why: str
    """What was wrong, and what to do about it."""
    event: dict[str, Any] | None
    """The event, where it was never recorded as a fact."""
    decision: int | None
    """The decision that failed."""


class DeadLetters:
    """A folder of dead letters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add_event(self, event: dict[str, Any], why: str) -> DeadLetter:
        """Keep an event; the same one is kept once. Raises Full."""
        name = of_bytes(json.dumps(event, sort_keys=True).encode()).removeprefix("sha256:")[:12]
        return self._add(DeadLetter(f"event-{name}", why, event, None))

    def add_decision(self, number: int, why: str) -> DeadLetter:
        """Keep a decision that failed."""
        return self._add(DeadLetter(f"decision-{number}", why, None, number))

    def find(self, name: str) -> DeadLetter:
        """Return the letter of this name; UsageError for an unknown one."""
        for letter in self:
            if letter.name == name:
                return letter
        raise UsageError(f"no dead letter {name!r}{did_you_mean(name, [one.name for one in self])}")

    def remove(self, letter: DeadLetter) -> None:
        """Forget a letter."""
        (self.folder / f"{letter.name}.json").unlink(missing_ok=True)

    def __iter__(self) -> Iterator[DeadLetter]:
        """Iterate over the letters, the oldest first."""
        for path in sorted(self.folder.glob("[!.]*.json"), key=lambda path: path.stat().st_mtime_ns):
            content = json.loads(path.read_text(encoding="utf-8"))
            yield DeadLetter(path.stem, content["why"], content["event"], content["decision"])

    def _add(self, letter: DeadLetter) -> DeadLetter:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{letter.name}.json"
        is_event = letter.decision is None
        if is_event and not path.exists() and sum(1 for _ in self.folder.glob("[!.]*.json")) >= MOST:
            raise Full(
                f"{self.folder}: wanted fewer than {MOST} dead letters; see them with: mlops trigger list --dead"
            )
        content = {"why": letter.why, "event": letter.event, "decision": letter.decision}
        durable.replace(path, (json.dumps(content, indent=2) + "\n").encode())
        return letter
