"""Counts the changes of version that have been made, in memory that forked processes share."""

import mmap


class Moment:
    """Make it before the processes are forked; one of them counts, and all see the new number at once."""

    def __init__(self) -> None:
        self._number = memoryview(mmap.mmap(-1, 8)).cast("Q")

    @property
    def number(self) -> int:
        """How many changes have been made."""
        return int(self._number[0])

    def advance(self, number: int) -> None:
        """Make the change of a number."""
        self._number[0] = number
