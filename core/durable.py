"""Writes that survive a power cut, and locks that the kernel releases when their holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import RegistryError

STAGING = ".staging-"
"""Prefix of files and folders that are still being written; readers ignore such names."""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let an OSError of the block name a path: those of a write or an fsync, such as a full disk, name none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def sync(path: Path) -> None:
    """Wait until a file's or a folder's content is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with named(path):
            os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk; a crash may leave part of it."""
    with named(path), path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace(path: Path, content: bytes) -> None:
    """Write a file atomically: after a crash or a power cut it has its old content or the new one."""
    staged = path.with_name(f"{STAGING}{path.name}")
    write(staged, content)
    staged.replace(path)
    sync(path.parent)


@contextmanager
def locked(path: Path, wait_seconds: float = 60.0) -> Iterator[None]:
    """Hold a lock that the kernel releases when its holder dies; RegistryError after waiting for `wait_seconds`."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise RegistryError(
                    f"{path}: another process has been writing here for {wait_seconds:g} s; "
                    "wait for it to end, or end it, then try again"
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
