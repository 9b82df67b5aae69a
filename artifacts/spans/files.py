"""Finds the files of a window of spans and pins them by digest; light enough for the command line.

Below the first name of a pattern with a wildcard only plain folders and regular files count: a symbolic link, a
pipe or a device there is an error, because it could lead out of the source or never end.
"""

import os
import stat
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from artifacts.spans import pattern as patterns
from artifacts.spans.pattern import Place, labels
from core import digest, objects
from core.errors import DataError, UsageError

_FILE, _FOLDER = "a file", "a folder"

Gaps = Literal["error", "skip"]
"""What a window does about a span that does not exist: refuse it, or go further back to the spans that do."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a span."""

    span: int
    path: Place
    name: str
    """Path below the pattern's fixed part; what the digest knows of where the file lies."""


@dataclass(frozen=True)
class SpanWindow:
    """The spans of a run, oldest first, and their files by span and name."""

    pattern: str
    spans: tuple[int, ...]
    files: tuple[SourceFile, ...]


def resolve(pattern: str, span: int | None, window: int, gaps: Gaps = "error") -> SpanWindow:
    """Find the last `window` spans up to `span`, or up to the newest when None; fewer are fine only at the beginning.

    With `gaps="skip"` these are the last spans that exist; the one asked for must exist either way.
    Raises UsageError for a pattern that cannot be one, and DataError for a span that is missing.
    """
    if window < 1:
        raise UsageError(f"wanted a window of at least 1 span, got {window}")
    found = spans(pattern)
    newest = _newest(pattern, found) if span is None else span
    first = max(newest - window + 1, min(found, default=newest))
    wanted = list(range(min(first, newest), newest + 1))
    if gaps == "skip":
        wanted = [*sorted(number for number in found if number < newest), newest][-window:]
    gone = [number for number in wanted if number not in found]
    if gone:
        raise DataError(_missing(pattern, gone, found))
    files = tuple(file for number in wanted for file in sorted(found[number], key=lambda file: file.name))
    return SpanWindow(pattern, tuple(wanted), files)


def latest_span(pattern: str) -> int:
    """Return the highest span that the pattern finds; DataError when there is none."""
    return _newest(pattern, spans(pattern))


def window_digest(window: SpanWindow) -> str:
    """Digest over the content and relative names of the window's files."""
    return digest.of_named({file.name: _digest(file.path) for file in window.files})


def stamp(place: Place) -> Hashable:
    """Return something that changes when a file is written, without reading it."""
    if isinstance(place, str):
        return objects.stat(place).stamp
    status = place.lstat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def open_regular(path: Place) -> BinaryIO:
    """Open a regular file or an object for reading, never following a link in its last name.

    DataError for anything else.
    """
    if isinstance(path, str):
        return objects.open_object(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise DataError(f"{path}: wanted a readable regular file, got {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: wanted a regular file, got a folder, pipe or device")
    return os.fdopen(descriptor, "rb")


def _digest(place: Place) -> str:
    return objects.digest_of(place) if isinstance(place, str) else digest.of_file(place)


def _newest(pattern: str, found: dict[int, list[SourceFile]]) -> int:
    if not found:
        raise DataError(_missing(pattern, [], found))
    return max(found)


def _missing(pattern: str, gone: list[int], found: dict[int, list[SourceFile]]) -> str:
    wanted = f"span {labels(pattern, gone)}" if gone else "at least one span"
    known = sorted(found)
    exist = labels(pattern, known) or "none"
    ways = ["put the missing files there", "choose --span among those"]
    if gone and gone[-1] > min(known, default=gone[-1]):
        ways.append("take the last spans that exist by ingest_examples.gaps: skip")
    if patterns.kind_of(pattern) == "number" and (tokens := patterns.looks_like_dates(known)):
        ways.append(f"write {tokens} for {{SPAN}} in source.pattern, if these are dates, so that the calendar counts")
    return f"{pattern}: wanted {wanted}, but these spans exist: {exist}; {', or '.join(ways)}"


def spans(pattern: str) -> dict[int, list[SourceFile]]:
    """Return the files of every span that a pattern finds; UsageError for a pattern that cannot be one."""
    root, names = patterns.split(pattern)
    found: dict[int, list[SourceFile]] = {}
    for span, path in _walk(root, names, {}):
        found.setdefault(span, []).append(SourceFile(span, path, str(path).removeprefix(f"{root}/")))
    return found


def _walk(folder: Place, names: list[str], parts: Mapping[str, str]) -> Iterator[tuple[int, Place]]:
    """Yield the regular files that match the names below a folder, each with its span.

    A file whose date the calendar does not have matches nothing.
    """
    name, rest = names[0], names[1:]
    matches = patterns.matcher(name)
    for entry in _entries(folder):
        match = matches.fullmatch(entry.name)
        if match is None:
            continue
        known = {**parts, **match.groupdict()}
        if rest and entry.kind == _FOLDER:
            yield from _walk(entry.place, rest, known)
        elif not rest and entry.kind == _FILE:
            if (number := patterns.span_of(known)) is not None:
                yield number, entry.place
        elif entry.kind != _FILE and not (entry.kind == _FOLDER and isinstance(folder, str)):
            raise DataError(
                f"{entry.place}: wanted a {'folder' if rest else 'regular file'} of the source, got {entry.kind}; "
                "copy the data there"
            )


class _Entry(NamedTuple):
    """What a folder holds under one name."""

    name: str
    place: Place
    kind: str


def _entries(folder: Place) -> list[_Entry]:
    if isinstance(folder, str):
        return [
            _Entry(entry.name, entry.address, _FOLDER if entry.is_folder else _FILE)
            for entry in objects.entries(folder)
        ]
    try:
        with os.scandir(folder) as entries:
            return sorted(_Entry(entry.name, Path(entry.path), _kind(entry)) for entry in entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: wanted a readable folder of source files, got {error.strerror}") from error


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    if entry.is_file(follow_symlinks=False):
        return _FILE
    return _FOLDER if entry.is_dir(follow_symlinks=False) else "a pipe, socket or device"
