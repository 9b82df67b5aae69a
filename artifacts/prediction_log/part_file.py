"""One file of the prediction log while it is written: whole records, and a lock that the kernel releases at death."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from artifacts.examples import tfrecord
from artifacts.prediction_log import names
from core import durable
from core.errors import CorruptArtifact


class PartFile:
    """A file with a hidden name, held by one process; only whole records are ever in front of its end."""

    def __init__(self, path: Path, handle: int, size: int) -> None:
        self.path = path
        """Its hidden name."""
        self.size = size
        """Bytes of whole records."""
        self._handle = handle

    @classmethod
    def create(cls, folder: Path, name: str) -> Self:
        """Create the file that is a finished one of a name later; OSError when that cannot be done."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / names.part_name(name)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return cls(path, handle, 0)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Take over the file of a writer that has left it, without a torn last record; None when held, or gone."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have removed it between the two calls above.
            if not path.exists() or os.fstat(handle).st_ino != path.stat().st_ino:
                os.close(handle)
                return None
            size = whole_bytes(path)
            with durable.named(path):
                os.ftruncate(handle, size)
        except (BlockingIOError, FileNotFoundError):
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        return cls(path, handle, size)

    def append(self, content: bytes) -> None:
        """Append whole records; OSError when they cannot be written, and then none of them is in the file."""
        rest = memoryview(content)
        at = self.size
        try:
            with durable.named(self.path):
                while rest:
                    written = os.pwrite(self._handle, rest, at)
                    at, rest = at + written, rest[written:]
        except OSError:
            with suppress(OSError):  # what stays is a torn record, which the next append overwrites
                os.ftruncate(self._handle, self.size)
            raise
        self.size = at

    def leave(self) -> None:
        """Put the content on the disk, and let whoever converts files have this one; OSError when the first fails."""
        try:
            with durable.named(self.path):
                os.ftruncate(self._handle, self.size)
                os.fsync(self._handle)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def whole_bytes(path: Path) -> int:
    """Return the size of the whole records at the start of a file; a damaged record ends them too."""
    end = 0
    with path.open("rb") as stream, suppress(CorruptArtifact):
        for offset, record in tfrecord.read(stream, path):
            end = offset + tfrecord.HEADER.size + len(record) + tfrecord.FOOTER.size
    return end
