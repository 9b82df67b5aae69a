"""A folder, on this machine or in an object store, whose files are created once and never change.

Creating is atomic and refused where the name is taken, so that of several writers one wins without a lock.
"""

import os
import uuid
from pathlib import Path
from typing import Protocol

from core import durable, objects
from core.errors import NoSuchObject, StoreError


class Place(Protocol):
    """Files by relative name; every method raises StoreError when the place cannot be reached."""

    address: str
    """A path, or an address in an object store; for messages."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files and folders directly in a folder, sorted; none where there is no folder."""

    def read(self, name: str) -> bytes:
        """Return a file's content; NoSuchObject when there is none."""

    def create(self, name: str, content: bytes) -> bool:
        """Create a file; False when there is one of that name."""


def open_place(address: str) -> Place:
    """Return the place at a path or an address; UsageError for an address that is not valid."""
    return ObjectPlace(address) if objects.is_address(address) else FolderPlace(Path(address))


class FolderPlace:
    """A folder of this machine; it need not exist yet."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.address = str(self._root)

    def names(self, folder: str) -> list[str]:
        """List a folder, without files that are still being written."""
        path = self._root / folder
        if not path.is_dir():
            return []
        return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(durable.STAGING))

    def read(self, name: str) -> bytes:
        """Read a file."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            raise NoSuchObject(f"{self._root / name}: wanted to read it, but there is no such file") from None
        except OSError as error:
            raise StoreError(f"{self._root / name}: wanted to read it, but {error.strerror}") from error

    def create(self, name: str, content: bytes) -> bool:
        """Write a file under another name and link it, which fails where the name is taken."""
        target = self._root / name
        if target.exists():
            return False
        staged = target.with_name(f"{durable.STAGING}{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            durable.write(staged, content)
            os.link(staged, target)
            durable.sync(target.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{target}: wanted to create it, but {error.strerror}") from error
        finally:
            staged.unlink(missing_ok=True)
        return True


class ObjectPlace:
    """A folder of an object store."""

    def __init__(self, address: str) -> None:
        self.address = objects.checked(address)

    def names(self, folder: str) -> list[str]:
        """List a folder."""
        return sorted(entry.name for entry in objects.entries(objects.join(self.address, folder)))

    def read(self, name: str) -> bytes:
        """Read an object."""
        return objects.read(objects.join(self.address, name))

    def create(self, name: str, content: bytes) -> bool:
        """Create an object; the content must differ from other writers', or be the only one that the name can have."""
        return objects.create(objects.join(self.address, name), content)
