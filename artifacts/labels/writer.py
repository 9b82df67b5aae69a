"""Appends labels to a file, for people and programs on the same machine."""

from collections.abc import Iterable
from pathlib import Path

from artifacts.labels.reader import Label
from artifacts.outcomes.writer import append_lines


def append(path: Path, labels: Iterable[Label]) -> None:
    """Append labels as lines, in one write, and wait until they are on the disk."""
    append_lines(path, (label.line() for label in labels))
