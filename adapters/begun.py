"""What a process has begun before its task came, from what was known of it, kept for exactly the task it is for."""

from typing import Generic, TypeVar

from core.object_stores.locations import Location

Work = TypeVar("Work")


class Begun(Generic[Work]):
    """One piece of work, and what it was begun with."""

    def __init__(self) -> None:
        self._kept: tuple[object, Work] | None = None

    def keep(self, given: object, work: Work) -> None:
        """Keep work for the task that is given the same."""
        self._kept = (given, work)

    def take(self, given: object) -> Work | None:
        """Return the work for a task, once; None where nothing was begun, or for another task."""
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None and kept[0] == given else None


def identity(file: Location) -> object:
    """Return what is the same for two names of a file, as a task may see an input under another one."""
    if isinstance(file, str):
        return file
    about = file.stat()
    return about.st_dev, about.st_ino, about.st_size
