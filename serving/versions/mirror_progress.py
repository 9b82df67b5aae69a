"""How far a mirror is, in a file of the folder that it fills, for the processes that serve from there."""

import json
from pathlib import Path
from typing import NamedTuple

from core import durable

FILE = ".mirror.json"
"""No model can have this name."""


class Progress(NamedTuple):
    """Whether everything in production was here once, and what is wrong with the store right now."""

    whole: bool = True
    trouble: str = ""


def read(folder: Path) -> Progress:
    """Read how far the mirror of a folder is; a folder without a mirror is whole."""
    try:
        return Progress(**json.loads((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return Progress()
    except (OSError, ValueError, TypeError) as error:
        return Progress(whole=False, trouble=f"{folder / FILE}: {type(error).__name__}: {error}")


def write(folder: Path, progress: Progress) -> None:
    """Say how far the mirror of a folder is."""
    durable.replace(folder / FILE, json.dumps(progress._asdict()).encode())
