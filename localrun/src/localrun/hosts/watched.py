"""What a warm process imports: the project's own code afresh, and what must not change if it is to serve another run.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import contextlib
import importlib.machinery
import importlib.util
import marshal
import os
import sys
import time
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR
_KERNEL = ("/proc/", "/sys/", "/dev/")
_SLACK = 12_000_000
"""Nanoseconds: a file system's time stamps are that much behind the clock at most."""
_BY_HASH = b"\x03\0\0\0"
"""Flags of bytecode that is compared with its source by hash."""
Stamp = tuple[int, int, int]


class Watched:
    """The files that are read while modules are imported, and the folders that imports search."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._began = time.time_ns() - _SLACK
        self._reading: set[str] | None = set()
        self._stamps: dict[str, Stamp] = {}
        self._names: list[str] = []
        self.unsure = ""
        """A file that was read and written during the imports, which may have read what it was before."""
        sys.addaudithook(self._note)

    def freeze(self) -> None:
        """Everything has been imported: remember what it was imported from."""
        read, self._reading = self._reading or set(), None
        for path in sorted(read | _modules() | _mapped()):
            if not path.startswith(_KERNEL) and not path.endswith(".pyc"):  # bytecode is as old as its source
                self._stamps[path] = stamp = _stamp(path)
                if stamp[0] >= self._began:
                    self.unsure = path
        self._stamps |= {place: _stamp(place) for place in sys.path if place and place != self.folder}
        self._stamps[self.folder] = self._place()
        self._names = _importable(self.folder)

    def change(self) -> str:
        """Name a file or folder that has changed since it was imported from; empty when nothing has."""
        if self.unsure:
            return self.unsure
        if self._place() != self._stamps[self.folder] or _importable(self.folder) != self._names:
            return self.folder
        return next((path for path, stamp in self._stamps.items() if path != self.folder and _stamp(path) != stamp), "")

    def _place(self) -> Stamp:
        """Identify the folder at its path: another one may have taken its place."""
        try:
            about = os.stat(self.folder)  # noqa: PTH116 - pathlib is not needed here
        except OSError:
            return (0, 0, 0)
        return (0, about.st_dev, about.st_ino)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._reading is None or event != "open":
            return
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int) and not flags & _WRITES:
            self._reading.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100


def read_sources_afresh(folder: str) -> None:
    """Use bytecode of the project's own code only if it is of the very source: Python itself compares times and sizes.

    It is written as PEP 552's, which Python compares by the source's hash, too.
    """
    loader = importlib.machinery.SourceFileLoader
    by_time = loader.get_code
    own, installed = folder + os.sep, sys.prefix + os.sep

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> Any:
        path = self.get_filename(fullname)
        if not os.path.abspath(path).startswith(own) or path.startswith(installed):  # noqa: PTH100
            return by_time(self, fullname)
        source, bytecode = self.get_data(path), importlib.util.cache_from_source(path)
        head = importlib.util.MAGIC_NUMBER + _BY_HASH + importlib.util.source_hash(source)
        with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
            content = self.get_data(bytecode)
            code = marshal.loads(content[len(head) :]) if content.startswith(head) else None  # noqa: S302 - as Python does
            if code is not None and code.co_filename == path:  # the folder may have been moved
                return code
        code = self.source_to_code(source, path)
        if not sys.dont_write_bytecode:
            self.set_data(bytecode, head + marshal.dumps(code))
        return code

    loader.get_code = get_code  # type: ignore[method-assign,assignment]


def _modules() -> set[str]:
    """Return the sources of all modules."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {os.path.abspath(file) for file in files if isinstance(file, str)}  # noqa: PTH100


def _mapped() -> set[str]:
    """Return the files in this process's memory: the interpreter and its libraries."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
        places = (line.rstrip("\n").split(maxsplit=5)[5:] for line in stream)
        return {path for found in places for path in found if path.startswith("/")}


def _importable(folder: str) -> list[str]:
    """Return the names in a folder that an import could find."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []
    return sorted(name for name in names if name.partition(".")[0].isidentifier() and _is_module(folder, name))


def _is_module(folder: str, name: str) -> bool:
    is_folder = "." not in name and name != "__pycache__" and os.path.isdir(f"{folder}/{name}")  # noqa: PTH112
    return name.endswith((".py", ".so", ".pyc")) or is_folder


def _stamp(path: str) -> Stamp:
    """Identify a file's content: any change of it renews the first number."""
    try:
        about = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return (0, 0, 0)
    return (about.st_ctime_ns, about.st_size, about.st_ino)
