"""Content digests of files and folders, remembered only as long as the file system proves that nothing changed."""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from localrun.errors import OutputError
from localrun.records import Artifact

_RACY_NS = 50_000_000
"""A file changed so shortly before it was read may change again without a new time stamp."""
_LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", "node_modules"})

_Signature = tuple[tuple[str, int, int, int, int], ...]
ABSENT = "absent"


class Digests:
    """Computes digests; one object lives as long as one run."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[_Signature, str]] = {}
        self._once: dict[str, str] = {}

    def of(self, path: Path) -> str:
        """Digest of a file or folder by content, names and the executable bit; `absent` when it is not there.

        Raises OutputError for what has no content of its own: devices, sockets, links that lead out of the folder.
        """
        return self._digest(path, frozenset())

    def of_sources(self, path: Path) -> str:
        """Digest of source code: what Python and version control write beside it does not count."""
        return self._digest(path, _LEFT_OUT)

    def once(self, name: str, compute: Callable[[], str]) -> str:
        """Compute something once in a run: what is installed does not change while tasks run."""
        if name not in self._once:
            self._once[name] = compute()
        return self._once[name]

    def _digest(self, path: Path, left_out: frozenset[str]) -> str:
        try:
            entries = sorted(_entries(path, left_out))
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


def _entries(root: Path, left_out: frozenset[str]) -> Iterator[tuple[str, tuple[str, int, int, int, int]]]:
    """Yield relative names with what changes when their content does."""
    about = root.lstat()
    yield (
        ".",
        (
            "",
            about.st_mode,
            about.st_ino,
            about.st_size if stat.S_ISREG(about.st_mode) else 0,
            about.st_ctime_ns if stat.S_ISREG(about.st_mode) else 0,
        ),
    )
    if not stat.S_ISDIR(about.st_mode):
        return
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for entry in os.scandir(root / folder):
            if left_out and (entry.name in left_out or entry.name.startswith(".") or entry.name.endswith(".pyc")):
                continue
            name = f"{folder}{entry.name}"
            info = entry.stat(follow_symlinks=False)
            regular = stat.S_ISREG(info.st_mode)
            yield (
                name,
                (name, info.st_mode, info.st_ino, info.st_size if regular else 0, info.st_ctime_ns if regular else 0),
            )
            if stat.S_ISDIR(info.st_mode):
                waiting.append(f"{name}/")


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
