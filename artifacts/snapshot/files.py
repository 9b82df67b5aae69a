"""A snapshot's list of files: written by whoever submits a run, and read by its steps.

The prediction log and the outcomes grow while a run is under way. A run reads of each file the bytes that it had when
the run was submitted, so that a repeated run reads the same.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.prediction_log import names as log_names
from artifacts.spans.files import open_regular
from core import digest, durable, objects
from core.errors import CorruptArtifact, DataError

_BLOCK = 1 << 20
Role = Literal["log", "outcomes", "labels", "metrics"]


class PinnedFile(BaseModel):
    """The start of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    name: str
    """For messages: the path below the folder of the model's log or outcomes."""
    location: str
    """A path, or an address in an object store."""
    size: int
    """How many bytes of it a run reads."""
    digest: str
    """Of those bytes."""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the pinned bytes; DataError when the file is gone, or these bytes are others now."""
        with _opened(self.location) as stream:
            got = _digest(stream, self.size)
            if got != self.digest:
                raise DataError(
                    f"{self.location}: wanted the first {self.size} bytes as they were when the run was submitted "
                    f"({self.digest}), got {got}; files of the log and of outcomes only grow: submit a new run"
                )
            stream.seek(0)
            yield io.BufferedReader(_Start(stream, self.size))


class Snapshot(BaseModel):
    """The files of a model that a run reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    model: str
    files: tuple[PinnedFile, ...]

    def of(self, role: Role) -> tuple[PinnedFile, ...]:
        """Return the files of one role."""
        return tuple(file for file in self.files if file.role == role)

    def write(self, folder: str) -> str:
        """Write it below a folder or an address, under its content's name; return the reference that steps take."""
        content = (self.model_dump_json(indent=1) + "\n").encode()
        name = digest.of_bytes(content)
        location = f"{folder}/{self.model}-{name.removeprefix('sha256:')[:16]}.json"
        if objects.is_address(location):
            objects.write(location, content)
        else:
            Path(location).parent.mkdir(parents=True, exist_ok=True)
            durable.replace(Path(location), content)
        return f"{location}@{name}"

    @classmethod
    def read(cls, reference: str) -> Self:
        """Read the snapshot of a reference; CorruptArtifact when it is missing, or another one."""
        location, _, wanted = reference.rpartition("@")
        try:
            content = objects.read(location) if objects.is_address(location) else Path(location).read_bytes()
        except OSError as error:
            raise CorruptArtifact(f"{location}: wanted a snapshot, got {error}; submit a new run") from error
        if digest.of_bytes(content) != wanted:
            raise CorruptArtifact(f"{location}: wanted the snapshot {wanted}, got another; submit a new run")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise CorruptArtifact(f"{location}: wanted a snapshot, got {error.errors()[0]['msg']}") from error


def pin(role: Role, name: str, location: str, size: int) -> PinnedFile:
    """Pin the first bytes of a file; DataError when it is shorter."""
    with _opened(location) as stream:
        return PinnedFile(role=role, name=name, location=location, size=size, digest=_digest(stream, size))


def snapshot(model: str, files: Iterable[PinnedFile]) -> Snapshot:
    """Make a snapshot of files, in the order of their names."""
    return Snapshot(model=model, files=tuple(sorted(files, key=lambda file: (file.role, file.name))))


@contextmanager
def _opened(location: str) -> Iterator[BinaryIO]:
    if objects.is_address(location):
        with open_regular(location) as stream:
            yield stream
        return
    path = Path(location)
    if log_names.is_finished(path.name) and not path.exists():  # it is pinned as what it becomes
        from artifacts.prediction_log.conversion import open_examples  # noqa: PLC0415 - Arrow

        with open_examples(path) as stream:
            yield stream
        return
    with open_regular(path) as stream:
        yield stream


def _digest(stream: BinaryIO, size: int) -> str:
    total, rest = hashlib.sha256(), size
    while rest and (block := stream.read(min(rest, _BLOCK))):
        total.update(block)
        rest -= len(block)
    return f"sha256:{total.hexdigest()}" if not rest else f"a file that is {rest} bytes shorter"


class _Start(io.RawIOBase):
    """The first bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size, self._at = stream, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._stream.seek(self._at)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._stream.read(min(len(buffer), max(self._size - self._at, 0)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
