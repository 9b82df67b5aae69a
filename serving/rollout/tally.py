"""Counts of a canary and its champion in files that processes share: each writes its own, and a killed one's stay."""

import mmap
import os
import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from serving.versions.split import CANARY, CHAMPION

ROLES = (CHAMPION, CANARY)
FLAGS = ("loading", "load_failed", "unsplit", "compared", "differed")
"""Of a process: 1 while it loads the canary; how often that failed; requests of several keys; answers in shadow mode
that were compared with the champion's, and those of them that differed."""
CRASHES = 3
"""So many processes that ended while they loaded the canary or answered with it abort it."""
_COUNTS = ("began", "ok", "failed")
_SECONDS = 150
_SUFFIX = ".counts"
_WORD = 8
_SEEN = "seen"
_SEEN_BITS = 1 << 22


@cache
def seconds_edges() -> tuple[float, ...]:
    """Upper edges of the bins of answer times in seconds, from 10 microseconds to 5 minutes, 12% apart."""
    return tuple(1e-5 * 2 ** (step / 6) for step in range(_SECONDS - 1))


@cache
def score_edges() -> tuple[float, ...]:
    """Upper edges of the bins of scores: 0.02 apart from 0 to 1, finer near 0, 9% apart beyond, alike below 0."""
    inner = [step / 50 for step in range(1, 51)]
    small = [2 ** (-step / 2) for step in range(12, 60)]
    large = [2 ** (step / 8) for step in range(1, 24 * 8)]
    positive = sorted([*small, *inner, *large])
    return (*(-edge for edge in reversed(positive)), 0.0, *positive)


@dataclass
class Side:
    """What one of the two versions did."""

    began: int = 0
    ok: int = 0
    failed: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * _SECONDS)
    scores: list[int] = field(default_factory=lambda: [0] * (len(score_edges()) + 1))

    @property
    def requests(self) -> int:
        """Answers and failures."""
        return self.ok + self.failed

    def add(self, other: "Side") -> None:
        """Add another process's counts."""
        self.began += other.began
        self.ok += other.ok
        self.failed += other.failed
        self.seconds = [one + more for one, more in zip(self.seconds, other.seconds, strict=True)]
        self.scores = [one + more for one, more in zip(self.scores, other.scores, strict=True)]


@dataclass
class Counts:
    """What all processes counted of one step of a canary."""

    champion: Side = field(default_factory=Side)
    canary: Side = field(default_factory=Side)
    flags: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLAGS, 0))
    crashes: int = 0
    """Processes that ended while they loaded the canary or answered with it."""
    edges: tuple[float, ...] = field(default_factory=seconds_edges)
    """Upper edges of the bins of answer times in seconds, one fewer than bins."""


class Tally:
    """The file of this process; may be written from any thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = threading.Lock()
        self._memory = _mapped(folder / f"{os.getpid()}{_SUFFIX}", _size() * _WORD)
        self._words = memoryview(self._memory).cast("q")
        self._seen = _mapped(folder / _SEEN, _SEEN_BITS // 8)

    def flag(self, name: str, value: int) -> None:
        """Set a flag."""
        with self._lock:
            self._words[FLAGS.index(name)] = value

    def count(self, name: str, by: int = 1) -> None:
        """Add to a flag."""
        with self._lock:
            self._words[FLAGS.index(name)] += by

    def began(self, role: str) -> None:
        """Note that a request began."""
        with self._lock:
            self._words[_base(role)] += 1

    def ended(self, role: str, seconds: float, score: float | None, *, failed: bool) -> None:
        """Note that a request ended; a score of a key that was seen before is left out by the caller."""
        base = _base(role)
        with self._lock:
            self._words[base + (2 if failed else 1)] += 1
            self._words[base + len(_COUNTS) + bisect_left(seconds_edges(), seconds)] += 1
            if score is not None:
                self._words[base + len(_COUNTS) + _SECONDS + bisect_left(score_edges(), score)] += 1

    def is_new(self, place: float) -> bool:
        """Whether no process has seen a key, by its place in [0, 1), in this step; it has been seen then.

        Two keys may share a place; the second then adds no score, which is on the safe side.
        """
        byte, bit = divmod(int(place * _SEEN_BITS), 8)
        with self._lock:
            if self._seen[byte] >> bit & 1:
                return False
            self._seen[byte] |= 1 << bit
            return True

    def close(self) -> None:
        """Write no more; the file stays."""
        with self._lock:
            words, seen = self._words, self._seen
            self._words = memoryview(bytearray(_size() * _WORD)).cast("q")
            self._seen = mmap.mmap(-1, _SEEN_BITS // 8)  # requests that still run may ask it
            words.release()
            self._memory.close()
            seen.close()


def read(folder: Path) -> Counts:
    """Sum the files of all processes; a folder that does not exist has none."""
    found = Counts()
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        flags, sides = _read(path)
        for name, value in flags.items():
            found.flags[name] += value
        found.champion.add(sides[CHAMPION])
        found.canary.add(sides[CANARY])
        canary = sides[CANARY]
        has_begun = flags["loading"] or canary.began > canary.requests
        if has_begun and not Path(f"/proc/{path.name.removesuffix(_SUFFIX)}").exists():
            found.crashes += 1
    return found


def _read(path: Path) -> tuple[Mapping[str, int], Mapping[str, Side]]:
    content = path.read_bytes()
    words = list(memoryview(content).cast("q")) if len(content) == _size() * _WORD else [0] * _size()
    return dict(zip(FLAGS, words, strict=False)), dict(_sides(words))


def _sides(words: list[int]) -> Iterator[tuple[str, Side]]:
    for role in ROLES:
        base = _base(role)
        seconds, scores, end = base + len(_COUNTS), base + len(_COUNTS) + _SECONDS, base + _side()
        began, ok, failed = words[base:seconds]
        yield role, Side(began, ok, failed, words[seconds:scores], words[scores:end])


def _base(role: str) -> int:
    return len(FLAGS) + ROLES.index(role) * _side()


def _side() -> int:
    return len(_COUNTS) + _SECONDS + len(score_edges()) + 1


def _size() -> int:
    return len(FLAGS) + len(ROLES) * _side()


def _mapped(path: Path, size: int) -> mmap.mmap:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(handle).st_size < size:
            os.ftruncate(handle, size)
        return mmap.mmap(handle, size)
    finally:
        os.close(handle)
