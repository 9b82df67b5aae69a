"""A kind of file, and the code of the product that reads it first."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import MlopsError
from localrun.errors import LocalrunError


@dataclass(frozen=True)
class Kind:
    """Files that may be damaged, and what reads them."""

    files: tuple[Path, ...]
    read: Callable[[Path], Any]
    """Reads as the product does, raising MlopsError or LocalrunError when the file given is not as it was written.

    What it returns is all that the product would have used.
    """
    names: Callable[[Path], str] = str
    """What an error must say of a file that is damaged."""
    clean_up: Callable[[], None] = lambda: None
    """Removes what reading a damaged file may have left."""
    unused_bytes: bool = False
    """Whether the format has bytes that nobody reads; then a flip there may change nothing that is read."""


def found(kind: Kind, path: Path) -> str:
    """Read; returns the error that says what is wrong, or raises any other one."""
    try:
        kind.read(path)
    except (MlopsError, LocalrunError) as error:
        return str(error)
    return ""
