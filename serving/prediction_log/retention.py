"""Removes what the prediction log of a model need not keep; the processes that write take turns."""

import fcntl
import os
import shutil
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from artifacts.prediction_log.reader import LogFile, days, log_files
from artifacts.prediction_log.writer import adopt
from serving.prediction_log.settings import Retention

_LOCK = ".lock"


def tidy(folder: Path, retention: Retention, today: date) -> int:
    """Finish the files of dead writers, remove what is too old or too much, and return the bytes removed.

    Does nothing while another process does it. Files that are being written stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        adopt(folder)
        removed = _remove_old(folder, retention, today)
        return removed + _remove_surplus(folder, retention)
    except BlockingIOError:
        return 0
    finally:
        os.close(handle)


def _remove_old(folder: Path, retention: Retention, today: date) -> int:
    if not retention.days:
        return 0
    removed = 0
    for day, place in days(folder, until=today - timedelta(days=retention.days + 1)):
        removed += sum(_size(file) for file in log_files(folder, day, day))
        shutil.rmtree(place, ignore_errors=True)
    return removed


def _remove_surplus(folder: Path, retention: Retention) -> int:
    if not retention.total_bytes:
        return 0
    sizes = [(file, _size(file)) for file in log_files(folder, unfinished=False)]
    surplus = sum(size for _, size in sizes) - retention.total_bytes
    removed = 0
    for file, size in sizes:
        if removed >= surplus:
            break
        file.path.unlink(missing_ok=True)
        removed += size
        if file.day < sizes[-1][0].day:  # a worker may be about to write in the newest day's folder
            with suppress(OSError):  # not empty
                file.path.parent.rmdir()
    return removed


def _size(file: LogFile) -> int:
    try:
        return file.path.stat().st_size
    except FileNotFoundError:
        return 0
