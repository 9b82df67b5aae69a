"""Which files of a folder count as code: all that a program can import or read, without what tools leave behind."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

# As in .dockerignore, so that a folder has the same files in an image.
_LEFTOVER = re.compile(r"\..*|__pycache__|.*\.py[co]|.*~|#.*|.*\.(orig|rej)")
_README = re.compile(r"readme([._-].*)?", re.IGNORECASE)


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name is hidden, bytecode, or an editor's backup."""
    return _LEFTOVER.fullmatch(name) is not None


def is_readme(name: str) -> bool:
    """Whether a file of this name is documentation that no program reads."""
    return _README.fullmatch(name) is not None


def walk(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder without leftovers, and links to folders, which are not followed; by name."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if is_leftover(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        elif entry.is_file() or entry.is_dir():
            yield Path(entry.path)
