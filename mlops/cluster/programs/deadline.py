"""The deadline of a step, and waiting within it."""

import time
from collections.abc import Iterator

from mlops.cluster.errors import ClusterError
from mlops.cluster.settings import format_duration


class Deadline:
    """Ends `seconds` from now; `variable` is the environment variable that sets it."""

    def __init__(self, seconds: float, variable: str) -> None:
        self.seconds = seconds
        self.variable = variable
        self._end = time.monotonic() + seconds

    def __str__(self) -> str:
        return f"{format_duration(self.seconds)} ({self.variable})"

    def left(self) -> float:
        """Return the seconds that are left, at least one, as the timeout of a program."""
        return max(1.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._end

    def rounds(self, longest: float = 2.0) -> Iterator[int]:
        """Yield until the time is over, with pauses that grow to `longest`.

        Raises ClusterError when the time is over; the caller breaks out when it has found what it waits for.
        """
        pause, count = 0.1, 0
        while True:
            yield count
            if self.passed():
                raise ClusterError(f"not done within {self}")
            time.sleep(min(pause, self.left()))
            pause, count = min(pause * 1.5, longest), count + 1
