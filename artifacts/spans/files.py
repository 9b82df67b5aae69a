"""Finds the files of a window of spans and pins them by digest; light enough for the command line.

A pattern is an absolute path, or an address in an object store, with `{SPAN}` in it once (or `{SPAN:3}`, zero-padded to three
digits) and `*` or `?` anywhere in a name. Below the first name with a wildcard only plain folders and regular files count: a
symbolic link, a pipe or a device there is an error, because it could lead out of the source or never end.
"""

import os
import re
import stat
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core import digest, objects
from core.errors import DataError, UsageError

Place = Path | str
"""Where a file lies: a path on this machine, or an address in an object store."""
_FILE, _FOLDER = "a file", "a folder"
_TOKEN = re.compile(r"\{SPAN(?::([1-9]))?\}|([*?])")


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


def resolve(pattern: str, span: int | None, window: int) -> SpanWindow:
    """Find the last `window` spans up to `span`, or up to the newest when None; fewer are fine only at the beginning.

    Raises UsageError for a pattern that cannot be one, and DataError for a span that is missing.
    """
    if window < 1:
        raise UsageError(f"wanted a window of at least 1 span, got {window}")
    found = spans(pattern)
    newest = _newest(pattern, found) if span is None else span
    first = max(newest - window + 1, min(found, default=newest))
    wanted = range(min(first, newest), newest + 1)
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
        return objects.look(place).stamp
    status = place.lstat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def open_regular(path: Place) -> BinaryIO:
    """Open a regular file or an object for reading, never following a link in its last name; DataError for anything else."""
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
    wanted = f"span {', '.join(map(str, gone))}" if gone else "at least one span"
    there = ", ".join(map(str, sorted(found))) or "none"
    return f"{pattern}: wanted {wanted}, but these spans exist: {there}; put the missing files there, or choose --span among those"


def spans(pattern: str) -> dict[int, list[SourceFile]]:
    """Return the files of every span that a pattern finds; UsageError for a pattern that cannot be one."""
    root, names = _parse(pattern)
    found: dict[int, list[SourceFile]] = {}
    for span, path in _walk(root, names, None):
        found.setdefault(span, []).append(SourceFile(span, path, str(path).removeprefix(f"{root}/")))
    return found


def _parse(pattern: str) -> tuple[Place, list[str]]:
    """Split a pattern into its fixed folder and the names below it."""
    scheme, path = "", Path(pattern)
    if objects.is_address(pattern):
        scheme, path = "s3:/", Path(pattern.removeprefix("s3:/"))
    if pattern.count("{SPAN") != 1 or len([match for match in _TOKEN.finditer(pattern) if not match[2]]) != 1:
        raise UsageError(
            f"{pattern}: wanted {{SPAN}} (or {{SPAN:3}}, zero-padded) exactly once in the source's pattern"
        )
    if not path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{pattern}: wanted an absolute path or an s3:// address without '..' as the source's pattern")
    wild = next(index for index, part in enumerate(path.parts) if _TOKEN.search(part))
    fixed = Path(*path.parts[:wild])
    return objects.checked(f"{scheme}{fixed}") if scheme else fixed, list(path.parts[wild:])


def _walk(folder: Place, names: list[str], span: int | None) -> Iterator[tuple[int, Place]]:
    """Yield the regular files that match the names below a folder, each with its span."""
    name, rest = names[0], names[1:]
    matches = _matcher(name)
    for entry in _entries(folder):
        match = matches.fullmatch(entry.name)
        if match is None:
            continue
        number = int(match["span"]) if "span" in matches.groupindex else span
        if rest and entry.kind == _FOLDER:
            yield from _walk(entry.place, rest, number)
        elif not rest and entry.kind == _FILE:
            assert number is not None
            yield number, entry.place
        elif entry.kind != _FILE and not (entry.kind == _FOLDER and isinstance(folder, str)):
            raise DataError(
                f"{entry.place}: wanted a {'folder' if rest else 'regular file'} of the source, got {entry.kind}; copy the data there"
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


def _matcher(name: str) -> re.Pattern[str]:
    """Turn one name of a pattern into a regular expression; a wildcard does not find hidden files, as in a shell."""
    expression, at = "", 0
    for token in _TOKEN.finditer(name):
        expression += re.escape(name[at : token.start()])
        width = token[1]
        if token[2]:
            expression += {"*": "[^/]*", "?": "[^/]"}[token[2]]
        else:
            expression += rf"(?P<span>[0-9]{{{width}}})" if width else "(?P<span>0|[1-9][0-9]{0,17})"
        at = token.end()
    hidden = "" if name.startswith(".") else r"(?!\.)"
    return re.compile(hidden + expression + re.escape(name[at:]))


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    if entry.is_file(follow_symlinks=False):
        return _FILE
    return _FOLDER if entry.is_dir(follow_symlinks=False) else "a pipe, socket or device"
