"""Removes what the prediction log of a model need not keep."""

import shutil
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from artifacts.prediction_log import names
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import LogFile, days, log_files
from serving.prediction_log.settings import Retention


def tidy(folder: Path, retention: Retention, today: date) -> int:
    """Remove what is too old or too much, and return the bytes removed; files that are being written stay."""
    removed = _remove_old(folder, retention, today)
    return removed + _remove_surplus(folder, retention)


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
    sizes = [(file, _size(file)) for file in log_files(folder)]
    surplus = sum(size for _, size in sizes) - retention.total_bytes
    removed = 0
    for file, size in sizes:
        if removed >= surplus:
            break
        removed += size if _remove(file) else 0
        if file.day < sizes[-1][0].day:  # a worker may be about to write in the newest day's folder
            with suppress(OSError):  # not empty
                file.path.parent.rmdir()
    return removed


def _remove(file: LogFile) -> bool:
    """Remove a file with its summary; False for one that is being written."""
    if file.is_finished:
        names.summary_path(file.path).unlink(missing_ok=True)
        file.path.unlink(missing_ok=True)
        return True
    part = PartFile.adopt(file.path)
    if part is None:
        return False
    file.path.unlink(missing_ok=True)
    part.close()
    return True


def _size(file: LogFile) -> int:
    try:
        return file.path.stat().st_size
    except FileNotFoundError:
        return 0
