"""The interface of a service that stores objects: one module per service implements it beside this one."""

from pathlib import Path
from typing import NamedTuple, Protocol

from core.errors import StoreError


class Entry(NamedTuple):
    """An object, or a folder: a common prefix of objects' addresses."""

    address: str
    size: int
    """In bytes; 0 for a folder."""
    stamp: str
    """Changes whenever the object is written."""
    is_folder: bool
    modified: str
    """ISO 8601, for display; empty for a folder."""

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]


class Stream(Protocol):
    """An object that is open for reading; it fails once the object is written again."""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end."""

    def seek(self, offset: int, whence: int) -> int:
        """Move, also beyond the end, and return the position."""

    def tell(self) -> int:
        """Return the position."""

    def close(self) -> None:
        """Release the connection."""


class ObjectClient(Protocol):
    """A connection to one service. Methods raise the service's own `errors`, which `store_error` explains."""

    condition: str
    """The service's name for the condition of `put_new`, for messages."""
    promises_conditions: bool
    """Whether all such services honour that condition; otherwise `core.objects.create` tries it."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions for failures of the store, the network or the settings."""

    def store_error(self, error: Exception, address: str, wanted: str) -> StoreError:
        """Turn one of them into a StoreError that says what was tried, and what to do next.

        It is a NoSuchObject when the store has no object at the address, ChangedWhileRead when that was written again.
        """

    def entries(self, folder: str) -> list[Entry]:
        """Return the objects and folders directly in a folder; it may raise FileNotFoundError for an empty one."""

    def walk(self, folder: str) -> list[Entry]:
        """Return all objects below a folder, at any depth."""

    def stat(self, address: str) -> Entry:
        """Return size and stamp of one object."""

    def open(self, address: str, block: int) -> Stream:
        """Open an object; what is read comes in requests of up to `block` bytes."""

    def read(self, address: str) -> bytes:
        """Return the content of an object."""

    def write(self, address: str, content: bytes) -> None:
        """Write an object, replacing any content that it has."""

    def put_new(self, address: str, content: bytes) -> bool:
        """Write an object only if there is none; return whether the store refused because it exists."""

    def upload(self, path: Path, address: str, part: int, content_digest: str) -> None:
        """Write a file's content to an object, in parts of `part` bytes where it is larger.

        Where the service keeps a checksum that a later look can compare, the digest is recorded with the object.
        """

    def recorded_digest(self, address: str) -> str:
        """Return the digest that `upload` recorded with an object, without reading it; "" where none was.

        Raises CorruptArtifact when the object has other content by now.
        """

    def delete(self, address: str) -> None:
        """Remove an object; does nothing when there is none."""
