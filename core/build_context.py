"""The build context of the images: the files that `.dockerignore` includes, matched as a container build does."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core import digest
from core.errors import MlopsError
from core.user_code import ROOT

IGNORE = ".dockerignore"
CERTIFICATES = "ca-bundle.crt"
"""May lie in the context for build stages that download; no image contains it, so it is not part of the tag."""

_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]]+]")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Rules(NamedTuple):
    """The lines of `.dockerignore`; the last one that matches a file, or a folder above it, decides."""

    included: tuple[str, ...]
    """The patterns that include files."""
    deciding: re.Pattern[str]
    """A group for each line, the last line first: the first alternative that matches is the one that decides."""
    includes: tuple[bool, ...]
    """What each of these lines decides."""

    def include(self, name: str) -> bool:
        """Whether a file or folder is included."""
        found = self.deciding.fullmatch(name)
        return found is None or found.lastindex is None or self.includes[found.lastindex - 1]


def files(root: Path = ROOT) -> list[str]:
    """Return the relative names of all files that images contain, sorted.

    Raises MlopsError for a folder without a `.dockerignore`.
    """
    rules = _rules(root / IGNORE)
    found: set[str] = set()
    # Only the included names are walked: the rest of the folder may be large.
    for pattern in rules.included:
        found.update(_walk(root, pattern, rules))
    return sorted(found - {CERTIFICATES})


def content_digest(root: Path = ROOT) -> str:
    """Digest over the names and contents of these files: times, owners, modes and order do not count."""
    return digest.of_files((name, root / name) for name in files(root))


def stamp(path: Path) -> tuple[int, int, int]:
    """Return a value that changes when a file is written, without reading it."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass
class Stamps:
    """What changes when one of these files is written, added or removed; found without reading them."""

    root: Path = ROOT
    _names: list[str] = field(default_factory=list)
    _folders: list[str] = field(default_factory=list)
    _stamps_of_folders: tuple[object, ...] = ()

    def now(self) -> tuple[object, ...]:
        """Return the stamps of all files; the folders are walked again only when an entry of one has changed."""
        if not self._names or self._stamps_of_folders != self._stamps(self._folders):
            self._names = files(self.root)
            self._folders = [IGNORE, ".", *_folders(self.root, _rules(self.root / IGNORE))]
            self._stamps_of_folders = self._stamps(self._folders)
        return self._stamps(self._names)

    def _stamps(self, names: list[str]) -> tuple[object, ...]:
        return tuple((name, stamp(self.root / name)) for name in names)


def _rules(path: Path) -> Rules:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise MlopsError(
            f"{path}: wanted the list of files that images contain, got no file; "
            "work from a checkout of the project, or in one of its images"
        ) from None
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    included = tuple(line.removeprefix("!").strip("/") for line in patterns if line.startswith("!"))
    last_first = patterns[::-1]
    deciding = "|".join(f"({_expression(line.removeprefix('!').strip('/'))})(?:/.*)?" for line in last_first)
    return Rules(included, re.compile(deciding), tuple(line.startswith("!") for line in last_first))


def _expression(pattern: str) -> str:
    literals = [re.escape(text) for text in _TOKENS.split(pattern)]
    meanings = [_MEANING.get(token, token) for token in _TOKENS.findall(pattern)]
    return "".join(text for pair in zip(literals, [*meanings, ""], strict=True) for text in pair)


def _walk(root: Path, name: str, rules: Rules) -> list[str]:
    if not rules.include(name):
        return []
    if not (root / name).is_dir():
        return [name] if (root / name).is_file() else []
    found, folders = [], [name]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as entries:
            included = [(f"{folder}/{one.name}", one) for one in entries if rules.include(f"{folder}/{one.name}")]
        folders += [below for below, entry in included if entry.is_dir()]
        found += [below for below, entry in included if entry.is_file()]
    return found


def _folders(root: Path, rules: Rules) -> Iterator[str]:
    """Every folder that may come to hold one of the files, empty ones too."""
    for pattern in rules.included:
        for path, below, _ in os.walk(root / pattern):
            folder = os.path.relpath(path, root)
            below[:] = [name for name in below if rules.include(f"{folder}/{name}")]
            yield folder
