"""Which files of a folder count as code: all that a program can import or read, without what tools leave beside it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

# As in .dockerignore, so that a folder has the same files in an image; the README is for people.
_LEFT_OUT = re.compile(r"\..*|__pycache__|.*\.py[co]|.*~|#.*|.*\.(orig|rej)|readme([._-].*)?", re.IGNORECASE)


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name holds no code: hidden, a cache, what an editor left, or a README."""
    return _LEFT_OUT.fullmatch(name) is not None


def below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder that can be imported or read; a link to a folder is not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if is_left_out(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from below(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)
