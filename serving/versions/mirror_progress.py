"""A mirror's progress, kept in a file of its folder, for the processes that serve from the folder."""

import json
from pathlib import Path
from typing import NamedTuple

from core import durable

FILE = ".mirror.json"
"""No model can have this name."""


class Progress(NamedTuple):
    """Whether everything in production has been copied once, and what is wrong with the store now."""

    whole: bool = True
    trouble: str = ""


def read(folder: Path) -> Progress:
    """Read the progress of a folder's mirror; a folder without a mirror is complete."""
    try:
        return Progress(**json.loads((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return Progress()
    except (OSError, ValueError, TypeError) as error:
        return Progress(whole=False, trouble=f"{folder / FILE}: {type(error).__name__}: {error}")


def write(folder: Path, progress: Progress) -> None:
    """Write the progress of a folder's mirror."""
    durable.replace(folder / FILE, json.dumps(progress._asdict()).encode())
