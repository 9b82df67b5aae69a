"""One sweep under way: what was asked for, its progress line, and what was found."""

import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sweeps.result import Figure

_EVERY_SECONDS = 5.0


class Unable(Exception):
    """The sweep cannot be done on this machine; the message says what is missing."""


@dataclass
class Sweep:
    """What was asked for, and what was found so far."""

    name: str
    count: int
    """How many cases; a sweep says what one is."""
    seed: int
    folder: Path
    """An empty folder; it is kept when something is wrong."""
    options: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 2
    minutes: float = 0.0
    """After which no further case is begun; 0: until all are done."""
    quiet: bool = False
    figures: list[Figure] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _shown: float = 0.0

    def chance(self) -> random.Random:
        """Return a generator that gives the same numbers for the same seed."""
        return random.Random(self.seed)

    def progress(self, done: int, of: int, what: str = "") -> None:
        """Write a line every few seconds: how many cases are done, and how many of them are wrong."""
        now = time.monotonic()
        if self.quiet or now - self._shown < _EVERY_SECONDS:
            return
        self._shown = now
        label = f"{self.name} {what}".strip()
        print(f"{label}: {done:,} of {of:,}, {len(self.problems)} wrong, {self.seconds:.0f} s", file=sys.stderr)

    def wrong(self, problem: str) -> None:
        """Note a case that is not as promised, with what repeats it."""
        self.problems.append(problem)
        if not self.quiet:
            print(f"{self.name}: {problem}", file=sys.stderr)

    @property
    def is_over(self) -> bool:
        """Whether the time that was given is over."""
        return bool(self.minutes) and self.seconds > 60 * self.minutes

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def count_of(self, name: str, measured: float) -> None:
        """Add a figure that has no goal of its own, such as how many cases there were."""
        self.figures.append(Figure(name, measured))

    def exactly(self, name: str, measured: float, wanted: float) -> None:
        """Add a figure with one right value."""
        self.figures.append(Figure(name, measured, f"{wanted:,g}", measured == wanted))

    def at_most(self, name: str, measured: float, bound: float) -> None:
        """Add a figure that may not be larger than a bound."""
        self.figures.append(Figure(name, measured, f"at most {bound:,g}", measured <= bound))

    def at_least(self, name: str, measured: float, bound: float) -> None:
        """Add a figure that may not be smaller than a bound."""
        self.figures.append(Figure(name, measured, f"at least {bound:,g}", measured >= bound))
