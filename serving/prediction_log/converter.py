"""Finishes the files that workers have left, in a process of its own with the lowest priority."""

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from artifacts.prediction_log import names
from core import durable
from core.errors import CorruptArtifact, RegistryError
from serving.prediction_log.retention import tidy
from serving.prediction_log.settings import LogSettings

_PAUSE_SECONDS = 1.0
_AFTER_FAULT_SECONDS = 30.0
_TIDY_SECONDS = 60.0
_FINISH_SECONDS = 5.0
"""After the workers of a server have ended."""
_NICENESS = 19
_LOG = logging.getLogger("serving")


@dataclass
class Converter:
    """Converts and removes the files of some models' logs; of several servers with one folder, one at a time does."""

    settings: LogSettings
    models: tuple[str, ...] = ()
    """All that have a folder, when empty."""
    now: Callable[[], float] = time.time
    _tidy_at: float = 0.0
    _fault: str = ""
    _unreadable: set[Path] = field(default_factory=set)

    def run(self) -> None:
        """Go on until the process is ended, which may happen at any moment."""
        _import_conversion()  # at the usual priority, as it takes long
        # Not SCHED_IDLE: such a process hardly gets the time to end when it is told to, if others are busy.
        os.nice(_NICENESS)
        while True:
            is_well = self.round()
            time.sleep(_PAUSE_SECONDS if is_well else _AFTER_FAULT_SECONDS)

    def round(self, seconds: float = math.inf) -> bool:
        """Convert what was left, for so many seconds at most, and remove what need not stay; False if a disk fails."""
        ends = time.monotonic() + seconds
        is_due = time.monotonic() >= self._tidy_at
        try:
            for folder in self._folders():
                self._settle(folder, ends, tidies=is_due)
        except OSError as error:
            if self._fault != f"{error.strerror}":
                _LOG.error("files of the prediction log cannot be finished: %s; they stay as they are", error)
            self._fault = f"{error.strerror}"
            return False
        if is_due:
            self._tidy_at = time.monotonic() + _TIDY_SECONDS
        self._fault = ""
        return True

    def _settle(self, folder: Path, ends: float, *, tidies: bool) -> None:
        """Convert and remove in one model's log, unless another process does."""
        with suppress(RegistryError), durable.locked(folder / ".lock", 0.0):
            self._convert(folder, ends)
            if tidies:
                tidy(folder, self.settings.retention, names.day_of(int(self.now() * 1e6)))

    def _folders(self) -> list[Path]:
        place = self.settings.folder
        found = sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
        return [folder for folder in found if not self.models or folder.name in self.models]

    def _convert(self, folder: Path, ends: float) -> None:
        from artifacts.prediction_log.conversion import convert, left_files  # noqa: PLC0415 - Arrow, after the fork

        for path in left_files(folder):
            if time.monotonic() >= ends:
                return
            try:
                if path not in self._unreadable:
                    convert(path)
            except CorruptArtifact as error:
                self._unreadable.add(path)
                _LOG.error("%s: not finished: %s", path, error)


def sidecars(settings: LogSettings | None, models: tuple[str, ...]) -> tuple[Callable[[], None], ...]:
    """Return what runs in a process of its own beside the workers; nothing if there is no log."""
    return (Converter(settings, models).run,) if settings is not None else ()


@contextmanager
def finishing(settings: LogSettings | None, models: tuple[str, ...]) -> Iterator[None]:
    """Finish the files that workers leave at their end, after the block; what takes long is left to the next server."""
    try:
        yield
    finally:
        if settings is not None:
            _import_conversion()  # before the time counts
            Converter(settings, models).round(_FINISH_SECONDS)


def _import_conversion() -> None:
    """Import Arrow, which no process needs that only answers or supervises."""
    from artifacts.prediction_log import conversion  # noqa: F401, PLC0415
