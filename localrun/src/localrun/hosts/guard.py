"""Keeps a task's changes of its input artifacts to itself: a file that has another name is copied before it is changed.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun. The files of a view are hard
links to those of the store: to remove, rename or replace one changes the view alone, to write into one would not.
"""

import os
import shutil
import stat
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset({"os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"})
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"})


def guard(folder: str) -> None:
    """Have every file below a folder copied before this process opens it for writing, or names it to a program."""
    inside = folder.rstrip("/") + "/"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES:
                _own(path, inside)
        elif event in _CHANGES or event == "sqlite3.connect":
            _own(arguments[0], inside)
        elif event in _STARTS and inside in repr(arguments):
            _own_named(inside, repr(arguments))

    sys.addaudithook(hook)


def _own_named(inside: str, command_line: str) -> None:
    """Give every file that a program is told of, or whose folder it is told of, a content of its own."""
    for place, _, names in os.walk(inside.rstrip("/")):
        for path in (f"{place}/{name}" for name in names):
            if _is_named(path, inside, command_line):
                _own(path, inside)


def _is_named(path: str, inside: str, command_line: str) -> bool:
    """Whether a program is told of a file, or of a folder above it."""
    while len(path) > len(inside):
        if path in command_line:
            return True
        path = os.path.dirname(path)  # noqa: PTH120
    return False


def _own(path: Any, inside: str) -> None:
    """Give a file of the view a content of its own."""
    if not isinstance(path, str | bytes | os.PathLike):
        return
    place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
    if not place.startswith(inside):
        return
    try:
        about = os.lstat(place)
    except OSError:
        return
    if stat.S_ISREG(about.st_mode) and about.st_nlink > 1:
        staged = f"{place}.localrun-{os.getpid()}"
        shutil.copy2(place, staged)
        os.replace(staged, place)  # noqa: PTH105
