"""Where things are in a store, and the file operations that must survive a crash."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from localrun.errors import StoreError

STORE = Path(".localrun")
"""Where runs are kept unless something else is said: in the current folder."""
MANIFEST = "execution.json"
"""Beside the outputs of an execution: which it was, and what it made."""
_BEGINNINGS = frozenset({"lock", "pipeline.yaml", ".staging-pipeline.yaml", "inputs.json", ".staging-inputs.json"})
"""All that a run's folder holds before the journal knows the run."""


@dataclass(frozen=True)
class Layout:
    """The folders of a store."""

    root: Path

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.root / "localrun.sqlite"

    @property
    def flights(self) -> Path:
        """The file whose bytes are locked for cache keys that are being computed."""
        return self.root / "flights"

    def run(self, run_id: str) -> Path:
        """Folder of a run."""
        return self.root / "runs" / run_id

    def attempt(self, run_id: str, path: str, number: int) -> Path:
        """Folder of one attempt of a task: log, executor input and output, outputs of a failure.

        It has no brackets, as `for-loop-1[2]` has: libraries such as TensorFlow read them as patterns of file names.
        """
        name = path.replace("/", ".").replace("[", "=").replace("]", "")
        if len(name) > 200:
            name = f"{name[:150]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        return self.run(run_id) / "tasks" / name / f"attempt-{number}"

    def staging(self, pipeline: str, execution: str) -> Path:
        """Where an execution writes; no artifact yet."""
        return self.root / "artifacts" / pipeline / f".staging-{execution}"

    def final(self, pipeline: str, execution: str) -> Path:
        """Where its outputs are once they are artifacts."""
        return self.root / "artifacts" / pipeline / execution


def new_run_folder(layout: Layout, wanted: str) -> str:
    """Make the folder of a new run and return its id: the wanted one, or `-2`, `-3`... after it."""
    with explained(layout.root):
        (layout.root / "runs").mkdir(parents=True, exist_ok=True)
        for number in range(1, 100_000):
            run_id = wanted if number == 1 else f"{wanted}-{number}"
            with contextlib.suppress(FileExistsError):
                layout.run(run_id).mkdir()
                return run_id
    raise StoreError(f"{layout.root}: no free name for a run like {wanted}")


@contextlib.contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Be the only one who starts a run in this store, for the moment that takes."""
    with explained(layout.root), (layout.root / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def sweep(layout: Layout, known: set[str]) -> None:
    """Remove what is left of runs whose runner died before the journal knew them; only while `alone`."""
    with contextlib.suppress(FileNotFoundError):
        for folder in (layout.root / "runs").iterdir():
            if folder.name not in known and all(path.name in _BEGINNINGS for path in folder.iterdir()):
                discard(folder)


@contextlib.contextmanager
def locked(layout: Layout, run_id: str) -> Iterator[None]:
    """Own a run for as long as this process lives; the kernel gives the lock back however it ends.

    Raises StoreError when another process owns it.
    """
    with explained(layout.run(run_id)):
        stream = (layout.run(run_id) / "lock").open("w")
    with stream:
        if not _lock(stream, fcntl.LOCK_EX):
            raise StoreError(f"run {run_id} is being executed by another process")
        yield


def is_owned(layout: Layout, run_id: str) -> bool:
    """Whether a living process executes the run."""
    try:
        with (layout.run(run_id) / "lock").open("r") as stream:
            return not _lock(stream, fcntl.LOCK_SH)
    except OSError:
        return False


def _lock(stream: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an operating system's error into one that names the path and, for a full disk, the way out."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        hint = "; free some space and resume the run" if full else ""
        raise StoreError(f"{where}: {error.strerror or error}{hint}") from error


def write_atomically(path: Path, content: str, *, durably: bool) -> None:
    """Replace a file's content atomically."""
    staged = path.with_name(f".staging-{path.name}")
    with explained(path):
        staged.write_text(content, encoding="utf-8")
        if durably:
            _sync(staged)
        staged.replace(path)
        if durably:
            _sync(path.parent)


def publish(staging: Path, final: Path) -> None:
    """Make a staged folder visible under its final name, durably."""
    with explained(staging):
        for folder, _, files in os.walk(staging):
            for path in (Path(folder, name) for name in files):
                _sync(path)
            _sync(Path(folder))
        _rename(staging, final)


def _rename(staging: Path, final: Path) -> None:
    staging.rename(final)
    try:
        _sync(final.parent)
    except OSError:
        final.rename(staging)  # what may be gone after a power failure must not be seen
        raise


def set_aside(staging: Path, target: Path) -> bool:
    """Move the outputs of a failed attempt to where a person finds them; False when there are none."""
    with explained(staging):
        if not staging.is_dir() or not any(staging.iterdir()):
            discard(staging)
            return False
        staging.rename(target)
        return True


def discard(folder: Path) -> None:
    """Remove a folder, if it exists."""
    shutil.rmtree(folder, ignore_errors=True)


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 16384))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def _sync(path: Path) -> None:
    if path.is_symlink():  # its folder holds all of it
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
