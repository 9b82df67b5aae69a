"""Which files of a folder a command names: its words, those of its scripts, and what follows `python -m`."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

_SPLIT = re.compile(r"[\s\"'`;|&<>()=,:]+")
_GLOB = re.compile(r"[*?\[]")
_LONGEST, _MATCHES = 255, 1000
_SCRIPT = 2**18
"""Bytes; a longer file is no script."""


def split(parts: Iterable[str]) -> list[str]:
    """Return the words of a command: each part, and the words of parts that are a script."""
    return [word for part in parts for word in dict.fromkeys((part, *_SPLIT.split(part))) if word]


def named(words: Iterable[str], folder: Path) -> Iterator[Path]:
    """Yield what a command's words name in a folder: files, folders, and what a pattern matches."""
    for word in words:
        if len(word) > _LONGEST or "{{$" in word or "\0" in word:
            continue
        for name in _matches(word, folder) if _GLOB.search(word) else [word]:
            path = Path(os.path.normpath(folder / name))
            if path.is_relative_to(folder) and os.path.exists(path):  # noqa: PTH110 - what cannot be asked is not there
                yield path


def _matches(pattern: str, folder: Path) -> list[str]:
    """Return what a pattern matches in a folder; one that leads elsewhere could take long, and is none of its names."""
    if pattern.startswith("/") or ".." in pattern:
        return []
    return sorted(glob.glob(pattern, root_dir=folder))[:_MATCHES]  # noqa: PTH207 - Path.glob raises where this is empty


def modules(words: Iterable[str]) -> list[str]:
    """Return the names of modules that a command runs."""
    return [name for flag, name in pairwise(words) if flag == "-m"]


def script(path: Path) -> list[str]:
    """Return the words of a file that may be a script; none for a file that is no text, or too long for one."""
    if path.stat().st_size > _SCRIPT:
        return []
    content = path.read_bytes()
    return [] if b"\0" in content else split([content.decode(errors="replace")])
