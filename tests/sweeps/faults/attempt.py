"""What is disturbed: one action with the state before it, and what must hold after a fault."""

from pathlib import Path
from typing import NamedTuple, Protocol

from sweeps.points import Point

from tests.sweeps.faults.child import Seen


class Attempt(Protocol):
    """One action in a folder of its own, made by a class that takes the folder and what outlives the child."""

    def __init__(self, folder: Path, seen: Seen) -> None:
        """Prepare the state before the action."""

    def act(self) -> None:
        """Do it; this runs in a child, and may die or fail at any system call."""

    def problems(self) -> list[str]:
        """Check what the child left, repeat the action, check again, and return what is not as promised."""


class Tried(NamedTuple):
    """One point."""

    point: Point
    met: bool
    """Whether the fault happened: another thread or a shorter way may never come to the point."""
    refused: bool
    """Whether the program ended with an error because of it."""
    nameless: str
    """That error, when it names no path."""
    problems: list[str]
