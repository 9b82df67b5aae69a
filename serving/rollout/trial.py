"""Counts, in one worker, what the champion and the canary do with the requests that are split between them."""

import itertools
import time
from pathlib import Path

from serving.rollout.tally import CRASHES, Tally, read
from serving.versions.split import Split

HANG_SECONDS = 10.0
"""A request that takes longer counts as failed before it ends."""


def stage_folder(folder: Path, model: str, split: Split) -> Path:
    """Return the folder of the counts of one step of a model's canary; its name has both versions."""
    return folder / model / f"{split.stage}-{split.against}-{split.version}"


class CountedTrial:
    """Implements `serving.versions.split.Trial` with a tally."""

    def __init__(self, split: Split, tally: Tally) -> None:
        self._split = split
        self._tally = tally
        self._numbers = itertools.count(1)
        self._running: dict[int, tuple[str, float]] = {}

    @classmethod
    def in_folder(cls, folder: Path, model: str, split: Split) -> "CountedTrial":
        """Count below a folder that all processes share."""
        return cls(split, Tally(stage_folder(folder, model, split)))

    def began(self, role: str) -> int:
        """Note that one of the two begins to answer; return what `ended` takes."""
        number = next(self._numbers)
        self._tally.began(role)
        self._running[number] = (role, time.perf_counter())
        return number

    def ended(self, began: int, score: float | None, key: bytes | None, *, failed: bool) -> None:
        """Note how it went; one score counts for each key."""
        found = self._running.pop(began, None)
        if found is None:
            return  # counted as hanging before
        role, since = found
        is_counted = score is not None and (key is None or self._tally.is_new(self.place(key)))
        self._tally.ended(role, time.perf_counter() - since, score if is_counted else None, failed=failed)

    def place(self, key: bytes) -> float:
        """Return a key's place in [0, 1)."""
        return self._split.place(key)

    def unsplit(self) -> None:
        """Note a request of several keys, which the champion answers uncounted."""
        self._tally.count("unsplit")

    def check(self) -> None:
        """Count requests that hang as failed."""
        now = time.perf_counter()
        for number, (role, since) in list(self._running.items()):
            if now - since > HANG_SECONDS and self._running.pop(number, None) is not None:
                self._tally.ended(role, now - since, None, failed=True)

    def loads(self, *, begins: bool) -> None:
        """Note that this process begins or ends to load the canary: a crash in between is the canary's."""
        self._tally.flag("loading", int(begins))

    def failed_to_load(self) -> None:
        """Note that the canary could not be loaded."""
        self._tally.count("load_failed")

    def is_deadly(self) -> bool:
        """Whether so many processes have ended with the canary that another one must not load it."""
        return read(self._tally.folder).crashes >= CRASHES

    def close(self) -> None:
        """Stop counting."""
        self._tally.close()
