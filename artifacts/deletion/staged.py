"""Replaces a file by what is left of it, atomically."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import durable


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give a file to write to, with a name that readers ignore, and remove it when the block ends without `replace`."""
    target = path.with_name(f"{durable.STAGING}{path.name}")
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)


def replace(path: Path, kept: int, target: Path) -> None:
    """Put the file that was written in the place of another; a file of which no row is left is removed."""
    if kept:
        durable.sync(target)
        target.chmod(path.stat().st_mode & 0o7777)
        target.replace(path)
    else:
        path.unlink()
    durable.sync(path.parent)
