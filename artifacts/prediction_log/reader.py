"""Reads the prediction log, one record at a time; the torn last record of a writer that died is left out and counted.

    counts = Counts()
    for row in rows(log_files(log_folder(store, "flight_delay"), since=day), counts):
        ...

Rows come by day and file, not by time: workers write at the same time, each into its own files.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from artifacts.examples import message, tfrecord
from artifacts.prediction_log import names
from core.errors import CorruptArtifact, UsageError


@dataclass(frozen=True)
class LogRow:
    """One row that was answered."""

    key: str
    """What a label is joined by; bytes that are not UTF-8 are escaped as `\\xff`."""
    request_id: str
    row: int
    time_us: int
    """Microseconds since 1970, UTC."""
    version: int
    role: str
    features: Mapping[str, list[Any]]
    """The raw features as lists of int, float or bytes; one that the row lacked is missing or empty."""
    outputs: Mapping[str, list[Any]]
    """The model's outputs by name, flat."""


@dataclass
class Counts:
    """What was read."""

    files: int = 0
    records: int = 0
    torn: int = 0
    """Files whose last record was left out because it was incomplete."""
    vanished: int = 0
    """Files that were removed or finished under another name between listing and reading, and were not read."""


@dataclass(frozen=True)
class LogFile:
    """A file of the log."""

    day: date
    path: Path
    is_finished: bool
    """False while its writer writes, and until it is converted."""


def log_files(
    folder: Path, since: date | None = None, until: date | None = None, *, unfinished: bool = True
) -> list[LogFile]:
    """List the files of a model's log by day and name, from `since` to `until`, both included.

    Without `unfinished`, files that are not converted yet are left out. A folder that does not exist has no files.
    """
    if ":/" in str(folder):
        raise UsageError(f"{folder}: wanted the prediction log in a folder of this machine; copy the days here first")
    found: dict[tuple[date, str], LogFile] = {}
    for day, place in days(folder, since, until):
        for path in sorted(place.iterdir()):
            finished = names.finished_name(path.name)
            if finished is not None and unfinished:
                found.setdefault((day, finished), LogFile(day, path, is_finished=False))
            elif names.is_finished(path.name):
                found[day, path.name] = LogFile(day, path, is_finished=True)
    return [found[at] for at in sorted(found)]


def days(folder: Path, since: date | None = None, until: date | None = None) -> list[tuple[date, Path]]:
    """List the days of a model's log with their folders, the earliest first."""
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        day = names.day_of_folder(path.name)
        if day is None or not path.is_dir() or (since and day < since) or (until and day > until):
            continue
        found.append((day, path))
    return sorted(found)


def records(files: Iterable[LogFile], counts: Counts) -> Iterator[bytes]:
    """Yield the serialized tf.Examples of files, and count; memory is that of one record, or some thousand rows.

    Raises CorruptArtifact with path and offset for a damaged record that is not a torn last one.
    """
    for file in files:
        path = _path(file)
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            counts.vanished += 1
            continue
        with stream:
            yield from _records_of(stream, path, counts)


def _records_of(stream: BinaryIO, path: Path, counts: Counts) -> Iterator[bytes]:
    from artifacts.prediction_log.columns import examples_of  # noqa: PLC0415 - Arrow, which a list of files needs not

    counts.files += 1
    try:
        for _, record in tfrecord.read(stream, path):
            found = [record] if names.finished_name(path.name) is None else examples_of(record)
            counts.records += len(found)
            yield from found
    except tfrecord.TornRecord:
        counts.torn += 1


def rows(files: Iterable[LogFile], counts: Counts) -> Iterator[LogRow]:
    """Yield the rows of files, and count; CorruptArtifact for a damaged file, or a record that is no row of a log."""
    for record in records(files, counts):
        yield parse(record)


def parse(record: bytes) -> LogRow:
    """Read a row from its tf.Example; CorruptArtifact when it is none, or lacks one of the log's own features."""
    try:
        found = message.example_class().FromString(record).context.feature
    except DecodeError as error:
        raise CorruptArtifact(
            f"a record of the prediction log: wanted a tf.Example, got something else: {error}"
        ) from None
    values = {name: _values(feature) for name, feature in found.items()}
    own = {}
    for name in names.RESERVED:
        if len(values.get(name, ())) != 1:
            raise CorruptArtifact(
                f"a record of the prediction log: wanted one value of {name}, got {len(values.get(name, ()))}; "
                "is this folder a prediction log?"
            )
        own[name] = values.pop(name)[0]
    outputs = {name.removeprefix(names.PREFIX): values.pop(name) for name in [*values] if names.is_output(name)}
    return LogRow(
        _text(own[names.KEY]),
        _text(own[names.REQUEST_ID]),
        int(own[names.ROW]),
        int(own[names.TIME]),
        int(own[names.VERSION]),
        _text(own[names.ROLE]),
        values,
        outputs,
    )


def _path(file: LogFile) -> Path:
    """Return where a file is now: its writer may have finished it since it was listed."""
    finished = names.finished_name(file.path.name)
    if finished is not None and not file.path.exists():
        return file.path.with_name(finished)
    return file.path


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    return [] if kind is None else list(getattr(feature, kind).value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
