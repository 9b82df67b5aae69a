"""Finds the files of a window of spans and pins them by digest; light enough for the command line.

A pattern is an absolute path with `{SPAN}` in it once (or `{SPAN:3}`, zero-padded to three digits) and `*` or `?` anywhere
in a name. Below the first name with a wildcard only plain folders and regular files count: a symbolic link, a pipe or a
device there is an error, because it could lead out of the source or never end.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlops.core import digest
from mlops.core.errors import DataError, UsageError

_TOKEN = re.compile(r"\{SPAN(?::([1-9]))?\}|([*?])")


@dataclass(frozen=True)
class SourceFile:
    """One file of a span."""

    span: int
    path: Path
    name: str
    """Path below the pattern's fixed part; what the digest knows of where the file lies."""


@dataclass(frozen=True)
class Window:
    """The spans of a run, oldest first, and their files by span and name."""

    pattern: str
    spans: tuple[int, ...]
    files: tuple[SourceFile, ...]


def resolve(pattern: str, span: int | None, window: int) -> Window:
    """Find the last `window` spans up to `span`, or up to the newest when None; fewer are fine only at the beginning.

    Raises UsageError for a pattern that cannot be one, and DataError for a span that is missing.
    """
    if window < 1:
        raise UsageError(f"wanted a window of at least 1 span, got {window}")
    found = _spans(pattern)
    newest = _newest(pattern, found) if span is None else span
    first = max(newest - window + 1, min(found, default=newest))
    wanted = range(min(first, newest), newest + 1)
    gone = [number for number in wanted if number not in found]
    if gone:
        raise DataError(_missing(pattern, gone, found))
    files = tuple(file for number in wanted for file in sorted(found[number], key=lambda file: file.name))
    return Window(pattern, tuple(wanted), files)


def latest_span(pattern: str) -> int:
    """Return the highest span that the pattern finds; DataError when there is none."""
    return _newest(pattern, _spans(pattern))


def window_digest(window: Window) -> str:
    """Digest over the content and relative names of the window's files."""
    return digest.of_files((file.name, file.path) for file in window.files)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, never following a link in its last name; DataError for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise DataError(f"{path}: wanted a readable regular file, got {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError(f"{path}: wanted a regular file, got a folder, pipe or device")
    return os.fdopen(descriptor, "rb")


def _newest(pattern: str, found: dict[int, list[SourceFile]]) -> int:
    if not found:
        raise DataError(_missing(pattern, [], found))
    return max(found)


def _missing(pattern: str, gone: list[int], found: dict[int, list[SourceFile]]) -> str:
    wanted = f"span {', '.join(map(str, gone))}" if gone else "at least one span"
    there = ", ".join(map(str, sorted(found))) or "none"
    return f"{pattern}: wanted {wanted}, but these spans exist: {there}; put the missing files there, or choose --span among those"


def _spans(pattern: str) -> dict[int, list[SourceFile]]:
    root, names = _parse(pattern)
    found: dict[int, list[SourceFile]] = {}
    for span, path in _walk(root, names, None):
        found.setdefault(span, []).append(SourceFile(span, path, path.relative_to(root).as_posix()))
    return found


def _parse(pattern: str) -> tuple[Path, list[str]]:
    """Split a pattern into its fixed folder and the names below it."""
    path = Path(pattern)
    if pattern.count("{SPAN") != 1 or len([match for match in _TOKEN.finditer(pattern) if not match[2]]) != 1:
        raise UsageError(f"{pattern}: wanted {{SPAN}} (or {{SPAN:3}}, zero-padded) exactly once in the source's pattern")
    if not path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{pattern}: wanted an absolute path without '..' as the source's pattern")
    wild = next(index for index, part in enumerate(path.parts) if _TOKEN.search(part))
    return Path(*path.parts[:wild]), list(path.parts[wild:])


def _walk(folder: Path, names: list[str], span: int | None) -> Iterator[tuple[int, Path]]:
    """Yield the regular files that match the names below a folder, each with its span."""
    name, rest = names[0], names[1:]
    matches = _matcher(name)
    for entry in _entries(folder):
        match = matches.fullmatch(entry.name)
        if match is None:
            continue
        number = int(match["span"]) if "span" in matches.groupindex else span
        if rest and entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), rest, number)
        elif not rest and entry.is_file(follow_symlinks=False):
            assert number is not None
            yield number, Path(entry.path)
        elif not entry.is_file(follow_symlinks=False):
            raise DataError(f"{entry.path}: wanted a {'folder' if rest else 'regular file'} of the source, got {_kind(entry)}; copy the data there")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
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
    return "a folder" if entry.is_dir(follow_symlinks=False) else "a pipe, socket or device"
