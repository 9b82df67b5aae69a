"""Content digests of files and folders, remembered only as long as the file system proves that nothing changed."""

import contextlib
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from localrun.errors import OutputError
from localrun.records import Artifact

_RACY_NS = 50_000_000
"""A file changed so shortly before it was read may change again without a new time stamp."""

_About = tuple[str, int, int, int, int, int]
"""Name, mode, inode, size, and the time of the last change: of the inode, and of the content."""
_Signature = tuple[_About, ...]
ABSENT = "absent"


class Digests:
    """Computes digests; one object lives as long as one run."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Signature, str]] = {}
        self._once: dict[str, str] = {}
        self._renaming = threading.RLock()
        self._locks: dict[str, threading.RLock] = {}

    def of(self, path: Path) -> str:
        """Digest of a file or folder by content, names and the executable bit; `absent` when it is not there.

        Tasks that ask at the same time share one pass over the bytes. Raises OutputError for what has no content of its
        own: devices, sockets, links that lead out of the folder.
        """
        with self._lock(path):
            return self._of(path)

    def _of(self, path: Path) -> str:
        try:
            entries = sorted(_entries(path))
        except FileNotFoundError:
            return ABSENT
        signature = tuple(entry[1] for entry in entries)
        known = self._known.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        digest = _hash(path, [entry[0] for entry in entries])
        newest = max((about[4] for about in signature), default=0)
        if time.time_ns() - newest > _RACY_NS:
            self._known[path] = (signature, digest)
        return digest

    @contextlib.contextmanager
    def renamed(self, path: Path) -> Iterator[None]:
        """Give files other names, or take names away, without forgetting their digest.

        A name more or less changes the time of an inode, but not that of its content.
        """
        with self._renaming, self._lock(path):
            before = self._signature(path)
            yield
            known = self._known.get(path)
            if known is None or known[0] != before:
                return
            after = self._signature(path)
            if [(*a[:4], a[5]) for a in after] == [(*b[:4], b[5]) for b in before]:
                self._known[path] = (after, known[1])

    def once(self, name: str, compute: Callable[[], str]) -> str:
        """Compute something once in a run: what is installed does not change while tasks run."""
        if name not in self._once:
            self._once[name] = compute()
        return self._once[name]

    def _lock(self, path: Path) -> threading.RLock:
        return self._locks.setdefault(str(path), threading.RLock())

    @staticmethod
    def _signature(path: Path) -> _Signature:
        try:
            return tuple(entry[1] for entry in sorted(_entries(path)))
        except OSError:
            return ()


def _entries(root: Path) -> Iterator[tuple[str, _About]]:
    """Yield relative names with what changes when their content does."""
    about = root.lstat()
    yield ".", _about("", about)
    if not stat.S_ISDIR(about.st_mode):
        return
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for entry in os.scandir(root / folder):
            name = f"{folder}{entry.name}"
            info = entry.stat(follow_symlinks=False)
            yield name, _about(name, info)
            if stat.S_ISDIR(info.st_mode):
                waiting.append(f"{name}/")


def _about(name: str, info: os.stat_result) -> _About:
    if not stat.S_ISREG(info.st_mode):
        return name, info.st_mode, info.st_ino, 0, 0, 0
    return name, info.st_mode, info.st_ino, info.st_size, info.st_ctime_ns, info.st_mtime_ns


def _hash(root: Path, names: list[str]) -> str:
    total = hashlib.sha256()
    for name in names:
        path = root / name
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            total.update(f"folder {name}\0".encode())
        elif stat.S_ISLNK(mode):
            total.update(f"link {name}\0{_target(root, path)}\0".encode())
        elif stat.S_ISREG(mode):
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            total.update(f"file {name}\0{bool(mode & 0o100)}\0{content}\0".encode())
        else:
            raise OutputError(f"{path}: wanted a file or folder, got a {stat.filemode(mode)[0]!r} special file")
    return f"sha256:{total.hexdigest()}"


def _target(root: Path, link: Path) -> str:
    target = link.readlink()
    if link == root or target.is_absolute() or not link.resolve().is_relative_to(root.resolve()):
        raise OutputError(f"{link}: a link that leads out of its folder, to {target}; its content could change unseen")
    return str(target)


def verify(artifacts: Mapping[str, Artifact], digests: Digests) -> str:
    """Return what is wrong with the first artifact whose bytes are not those that were recorded; empty for none."""
    for name, artifact in artifacts.items():
        if not artifact.digest:
            continue
        try:
            got = digests.of(artifact.path)
        except (OSError, OutputError) as error:
            return f"{artifact.path}: the artifact {name!r} cannot be read: {error}"
        if got != artifact.digest:
            return f"{artifact.path}: the artifact {name!r} is {got}, but it was made as {artifact.digest}"
    return ""
