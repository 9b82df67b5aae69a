"""Finds the files of a window of spans and computes their digest; imports nothing heavy.

Where a pattern has wildcards, only folders and regular files may match: a symbolic link, a pipe or a device is an
error, because it could lead out of the source or never end.
"""

import os
import stat
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from artifacts.spans import pattern as patterns
from artifacts.spans.pattern import Location, labels
from core import digest, objects
from core.errors import DataError, UsageError

_FILE, _FOLDER = "a file", "a folder"

Gaps = Literal["error", "skip"]
"""For a span of the window that does not exist: an error, or take older spans instead."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a span."""

    span: int
    path: Location
    name: str
    """Path relative to the pattern's fixed part; part of the digest."""
    row_groups: tuple[int, ...] | None = None
    """The row groups of a Parquet file that are read; None for the whole file."""


@dataclass(frozen=True)
class SpanWindow:
    """The spans of a run, oldest first, and their files by span and name."""

    pattern: str
    spans: tuple[int, ...]
    files: tuple[SourceFile, ...]


def resolve(pattern: str, span: int | None, window: int, gaps: Gaps = "error", *, spanless: bool = False) -> SpanWindow:
    """Find the last `window` spans up to `span`, or up to the newest when None; fewer at the beginning of the data.

    With `gaps="skip"` these are the last spans that exist; `span` itself must exist. With `spanless` the pattern may
    have no span: then its files are span 0.
    Raises UsageError for an invalid pattern, and DataError for a span that is missing.
    """
    if window < 1:
        raise UsageError(f"wanted a window of at least 1 span, got {window}")
    found = spans(pattern, spanless=spanless)
    newest = _newest(pattern, found) if span is None else span
    first = max(newest - window + 1, min(found, default=newest))
    wanted = list(range(min(first, newest), newest + 1))
    if gaps == "skip":
        wanted = [*sorted(number for number in found if number < newest), newest][-window:]
    missing = [number for number in wanted if number not in found]
    if missing:
        raise DataError(_missing(pattern, missing, found))
    files: list[SourceFile] = []
    for number in wanted:
        files += sorted(found[number], key=lambda file: file.name)
    return SpanWindow(pattern, tuple(wanted), tuple(files))


def latest_span(pattern: str) -> int:
    """Return the highest span that matches the pattern; DataError when there is none."""
    return _newest(pattern, spans(pattern))


def window_digest(window: SpanWindow, *, recorded: bool = False) -> str:
    """Digest over the content and relative names of the window's files.

    With `recorded`, an object is not read where its digest was recorded with it; CorruptArtifact when it has other
    content by now.
    """
    return digest.of_named({file.name: _digest(file.path, recorded=recorded) for file in window.files})


def file_digest(location: Location) -> str:
    """Digest of one file's content."""
    return _digest(location, recorded=False)


def stamp(location: Location) -> Hashable:
    """Return a value that changes when a file is written, without reading the file."""
    if isinstance(location, str):
        return objects.stat(location).stamp
    status = location.lstat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def open_regular(path: Location) -> BinaryIO:
    """Open a regular file or an object for reading; DataError for anything else, including a symbolic link."""
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


def _digest(location: Location, *, recorded: bool) -> str:
    if not isinstance(location, str):
        return digest.of_file(location)
    return (objects.recorded_digest(location) if recorded else "") or objects.digest_of(location)


def _newest(pattern: str, found: dict[int, list[SourceFile]]) -> int:
    if not found:
        raise DataError(_missing(pattern, [], found))
    return max(found)


def _missing(pattern: str, missing: list[int], found: dict[int, list[SourceFile]]) -> str:
    if patterns.is_spanless(pattern):
        return f"{pattern}: wanted at least one file, got none; correct the path, or add the files"
    wanted = f"span {labels(pattern, missing)}" if missing else "at least one span"
    known = sorted(found)
    existing = labels(pattern, known) or "none"
    fixes = ["add the missing files", "choose --span among those"]
    if missing and missing[-1] > min(known, default=missing[-1]):
        fixes.append("take the last spans that exist with ingest_examples.gaps: skip")
    tokens = patterns.date_tokens(known) if patterns.span_unit(pattern) == "number" else ""
    if tokens:
        fixes.append(f"write {tokens} for {{SPAN}} in source.pattern, if these are dates")
    return f"{pattern}: wanted {wanted}, but these spans exist: {existing}; {', or '.join(fixes)}"


def spans(pattern: str, *, spanless: bool = False) -> dict[int, list[SourceFile]]:
    """Return the files of every span that matches a pattern; UsageError for an invalid pattern."""
    root, names = patterns.split(pattern, spanless=spanless)
    found: dict[int, list[SourceFile]] = {}
    for span, path in _walk(root, names, {}):
        found.setdefault(span, []).append(SourceFile(span, path, str(path).removeprefix(f"{root}/")))
    return found


def _walk(folder: Location, names: list[str], parts: Mapping[str, str]) -> Iterator[tuple[int, Location]]:
    """Yield (span, file) for the regular files below a folder that match the names; invalid dates match nothing."""
    name, rest = names[0], names[1:]
    matches = patterns.matcher(name)
    for entry in _entries(folder):
        match = matches.fullmatch(entry.name)
        if match is None:
            continue
        known = {**parts, **match.groupdict()}
        if rest and entry.kind == _FOLDER:
            yield from _walk(entry.location, rest, known)
        elif not rest and entry.kind == _FILE:
            number = patterns.span_of(known)
            if number is not None:
                yield number, entry.location
        elif entry.kind != _FILE and not (entry.kind == _FOLDER and isinstance(folder, str)):
            raise DataError(
                f"{entry.location}: wanted a {'folder' if rest else 'regular file'} of the source, got {entry.kind}; "
                "copy the data there"
            )


class _Entry(NamedTuple):
    """One entry of a folder."""

    name: str
    location: Location
    kind: str


def _entries(folder: Location) -> list[_Entry]:
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
