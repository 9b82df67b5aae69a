"""Waits for the end of a run that a deployment executes."""

import time
from collections.abc import Callable

from core.errors import MlopsError
from mlops.runs.record import Run

_MISSES = 5
"""Polls in a row that may fail before the wait gives up."""


def until_ended(poll: Callable[[], Run], deadline: float | None, pause: float, late: Callable[[float], str]) -> Run:
    """Poll until the run has ended; a poll that fails, as when the connection breaks, is repeated.

    Raises MlopsError after several failures in a row, and, with the message of `late`, when the deadline passes; it and
    `pause` are in seconds.
    """
    began, missed = time.monotonic(), 0
    while True:
        run = None
        try:
            run, missed = poll(), 0
        except MlopsError:
            missed += 1
            if missed > _MISSES:
                raise
        if run is not None and run.state.is_final:
            return run
        if deadline is not None and time.monotonic() - began > deadline:
            raise MlopsError(late(deadline))
        time.sleep(pause)
