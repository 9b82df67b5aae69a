"""Says what is in the prediction log, day by day, without reading its rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from artifacts.examples import tfrecord
from artifacts.prediction_log import names
from artifacts.prediction_log.reader import LogFile, days, log_files
from artifacts.prediction_log.requests import requests_of
from artifacts.prediction_log.summary import Summary
from core.errors import CorruptArtifact
from core.store import Store


@dataclass
class LoggedDay:
    """A day of a model's log."""

    model: str
    day: date
    files: int = 0
    unfinished: int = 0
    """Files that are being written, or that wait to be finished."""
    uncounted: int = 0
    """Rows whose version is not known without reading them."""
    size: int = 0
    """Bytes on the disk."""
    counts: Summary = field(default_factory=Summary)

    def as_json(self) -> dict[str, Any]:
        """Return it as the command line prints it."""
        return {
            "model": self.model,
            "day": self.day.isoformat(),
            "rows": self.counts.rows,
            "versions": {str(version): rows for version, rows in sorted(self.counts.versions.items())},
            "version_unknown": self.uncounted,
            "dropped": dict(sorted(self.counts.dropped.items())),
            "files": self.files,
            "unfinished": self.unfinished,
            "bytes": self.size,
        }


def logged_days(store: Store, model: str = "") -> list[LoggedDay]:
    """List the days of a model's log, or of all models, the earliest first; there are none where nothing is logged."""
    root = store.root / names.ROOT
    folders = [root / model] if model else sorted(root.iterdir()) if root.is_dir() else []
    return [_counted(folder, day) for folder in folders for day, _ in days(folder)]


def _counted(folder: Path, day: date) -> LoggedDay:
    found = LoggedDay(folder.name, day)
    for path in names.day_folder(folder, day).iterdir():
        if names.is_summary(path.name):
            found.counts.dropped.update(Summary.read(path).dropped)
    for file in log_files(folder, day, day):
        try:
            found.size += file.path.stat().st_size
            counts = _counts(file)
        except FileNotFoundError:  # finished or removed since it was listed
            continue
        found.files += 1
        found.unfinished += not file.is_finished
        found.uncounted += counts.rows - counts.versions.total()
        found.counts.update(counts)
    return found


def _counts(file: LogFile) -> Summary:
    """Count a file by what is beside it; by its records' heads where there is nothing, or the file is not finished."""
    if not file.is_finished:
        counts = Summary()
        for requests in _requests(file.path):
            counts.add(requests)
        return counts
    try:
        counts = Summary.read(names.summary_path(file.path))
    except FileNotFoundError:
        return Summary(rows=tfrecord.count(file.path))
    counts.dropped.clear()  # they are counted with the day: a file without rows has none but those
    return counts


def _requests(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as stream:
            for _, record in tfrecord.read(stream, path):
                yield requests_of(record)[0]
    except CorruptArtifact:  # torn, or being written
        return
