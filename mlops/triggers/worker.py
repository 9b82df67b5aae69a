"""The thread that turns facts into runs while a server or a watcher takes new ones."""

import logging
import threading
from collections.abc import Callable

from core.errors import MlopsError

_LOG = logging.getLogger("mlops.triggers")


class Worker:
    """Calls some work again and again: at once when woken or when there was something to do, else after a pause."""

    def __init__(self, work: Callable[[], bool], pause_seconds: float = 1.0) -> None:
        self._work = work
        self._pause = pause_seconds
        self._wake = threading.Event()
        self._stopping = False

    def wake(self) -> None:
        """Let the next round begin now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; an error that is the user's to fix is logged once, and the next round tries again."""
        told = ""
        while not self._stopping:
            worked = False
            try:
                worked, told = self._work(), ""
            except (MlopsError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    _LOG.error("%s; trying again every %g s", told, self._pause)
            if not worked and not self._stopping:
                self._wake.wait(self._pause)
            self._wake.clear()
