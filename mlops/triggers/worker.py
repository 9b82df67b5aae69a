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
        self._logged = ""

    def wake(self) -> None:
        """Let the next round begin now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        """Work until stopped; an error is logged once, and the next round tries again."""
        while not self._stopping:
            if not self._round() and not self._stopping:
                self._wake.wait(self._pause)
            self._wake.clear()

    def _round(self) -> bool:
        """Work once; returns whether there was something to do."""
        try:
            worked, self._logged = self._work(), ""
        except (MlopsError, OSError) as error:
            if self._is_new(error):
                _LOG.error("%s; trying again every %g s", error, self._pause)
            return False
        except Exception as error:
            # A bug must not end the thread: events would still be taken, and none would start a run.
            if self._is_new(error):
                _LOG.exception("an error that is not expected; trying again every %g s", self._pause)
            return False
        return worked

    def _is_new(self, error: Exception) -> bool:
        text = f"{type(error).__name__}: {error}"
        is_new, self._logged = text != self._logged, text
        return is_new
