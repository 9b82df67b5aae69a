"""Writes the prediction log of one process: a file at a time, until it is large, old or of another day."""

import os
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from artifacts.examples import message, tfrecord
from artifacts.prediction_log import names
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import LogRow
from artifacts.prediction_log.rotation import Rotation
from core import durable


class LogWriter:
    """Appends records to the files of a model's log; use it from one thread."""

    def __init__(
        self,
        folder: Path,
        rotation: Rotation = Rotation(),  # noqa: B008 - frozen
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._rotation = rotation
        self._now = now
        self._monotonic = monotonic
        self._day: date | None = None
        self._part: PartFile | None = None
        self._finish_at = 0.0

    def append(self, record: bytes, day: date) -> int:
        """Append a record of columns to a day, and return the bytes written; OSError when it is not in the file."""
        if self._part is not None and day != self._day:
            self.finish()
        if self._part is None:
            self._part = PartFile.create(names.day_folder(self.folder, day), new_name(self._now()))
            self._day = day
            self._finish_at = self._monotonic() + self._rotation.file_seconds
        content = tfrecord.frame(record)
        self._part.append(content)
        self.finish_if_due()
        return len(content)

    def finish_if_due(self) -> None:
        """Leave the file if it is large, old, or of another day than now; OSError as `finish`."""
        if self._part is None:
            return
        today = datetime.fromtimestamp(self._now(), UTC).date()
        is_large = self._part.size >= self._rotation.file_bytes
        if is_large or self._monotonic() >= self._finish_at or today != self._day:
            self.finish()

    def finish(self) -> None:
        """Leave the file that is being written to whoever converts it; OSError when it may not be on the disk."""
        part, self._part = self._part, None
        if part is not None:
            part.leave()


def write_rows(folder: Path, rows: Iterable[LogRow]) -> None:
    """Write rows to a model's log, each to a finished file of the day of its time; for tests and replays."""
    by_day: dict[date, list[bytes]] = {}
    for row in rows:
        by_day.setdefault(names.day_of(row.time_us), []).append(tfrecord.frame(record(row)))
    for day, records in by_day.items():
        place = names.day_folder(folder, day)
        place.mkdir(parents=True, exist_ok=True)
        durable.replace(place / new_name(time.time()), b"".join(records))


def new_name(now: float) -> str:
    """Return a name that no other file has, though clocks may go back and process ids come again."""
    clock = datetime.fromtimestamp(now, UTC)
    return f"{clock:%H%M%S}-{os.getpid()}-{secrets.token_hex(4)}{names.SUFFIX}"


def record(row: LogRow) -> bytes:
    """Return the serialized tf.Example of a row."""
    example = message.example_class()()
    own: dict[str, list[Any]] = {
        names.KEY: [row.key.encode()],
        names.REQUEST_ID: [row.request_id.encode()],
        names.ROW: [row.row],
        names.TIME: [row.time_us],
        names.VERSION: [row.version],
        names.ROLE: [row.role.encode()],
    }
    outputs = {names.output_feature(name): values for name, values in row.outputs.items()}
    every: dict[str, list[Any]] = {**row.features, **outputs, **own}
    for name, values in every.items():
        if values:
            kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(values[0])]
            getattr(example.context.feature[name], kind).value.extend(values)
    content: bytes = example.SerializeToString(deterministic=True)
    return content
