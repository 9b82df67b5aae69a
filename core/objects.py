"""Reads and writes objects of an object store, by address: `s3://<bucket>/<key>` or `gs://<bucket>/<key>`.

Writes are atomic: a reader never sees half an object. There is no rename and no lock; where several processes compete,
`create` lets one of them win. Every function raises StoreError when the store cannot be reached or refuses.
"""

import hashlib
import importlib
import io
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

from core import digest
from core.errors import ChangedWhileRead, NoSuchObject, StoreError, UsageError
from core.object_stores.client import Entry, ObjectClient

SERVICES = {"s3": "core.object_stores.s3", "gs": "core.object_stores.gcs"}
"""Scheme of an address -> the module with its `client()` and `endpoint()`, imported on use."""

BLOCK = 4 << 20
"""Bytes per read."""
_PART = 16 << 20
"""Bytes per part of an upload."""
_READS = 5
"""How often an object is read that others write at the same time."""
_ADDRESS = re.compile(
    r"(?:s3://[a-z0-9][a-z0-9.-]{1,61}|gs://[a-z0-9][a-z0-9._-]{1,61})[a-z0-9](/[^/\\?*\[\]{}#%\x00-\x1f\x7f]+)*",
    re.ASCII,
)

_Result = TypeVar("_Result")


def is_address(text: str) -> bool:
    """Whether a text is an address in an object store rather than a path."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme in SERVICES


def checked(address: str) -> str:
    """Return a valid address without a slash at its end; UsageError for any other text."""
    plain = address.rstrip("/")
    if not _ADDRESS.fullmatch(plain) or {".", ".."} & set(plain.split("/")):
        raise UsageError(
            f"wanted an address in an object store, such as s3://bucket/folder or gs://bucket/folder, got {address!r}"
        )
    return plain


def endpoint_of(address: str) -> str:
    """Return the URL of the service that has an address; empty for the provider's own."""
    endpoint: str = _module(address).endpoint()
    return endpoint


def join(address: str, *names: str | int) -> str:
    """Return the address of a name below another address."""
    return "/".join([address, *map(str, names)])


def entries(folder: str) -> list[Entry]:
    """Return the objects and folders directly in a folder, sorted by address.

    A folder that does not exist is empty; StoreError when the bucket does not exist.
    """
    try:
        found = _call(folder, "to list it", lambda client: client.entries(folder))
    except NoSuchObject:
        return []
    return _inside(folder, found)


def walk(folder: str) -> list[Entry]:
    """Return all objects below a folder, at any depth, sorted by address; none where there is no such folder."""
    return _inside(folder, _call(folder, "to list all objects below it", lambda client: client.walk(folder)))


def stat(address: str) -> Entry:
    """Return size and stamp of one object; NoSuchObject when there is none."""
    return _call(address, "an object", lambda client: client.stat(address))


def open_object(address: str) -> io.BufferedReader:
    """Open an object for reading, `BLOCK` bytes at a time.

    Raises NoSuchObject when there is none, StoreError when it changes while it is read.
    """
    return io.BufferedReader(_Reader(address), BLOCK)


def read(address: str) -> bytes:
    """Return the content of an object that fits into memory; NoSuchObject when there is none."""
    return _call(address, "to read it", lambda client: client.read(address))


def digest_of(address: str) -> str:
    """Return the digest of an object's content, read `BLOCK` bytes at a time; NoSuchObject when there is none."""

    def read_all() -> str:
        with open_object(address) as stream:
            return digest.of_stream(stream)

    return _read_whole(read_all)


def recorded_digest(address: str) -> str:
    """Return the digest that `upload` recorded with an object, without reading it; "" where none was.

    Only Google Cloud Storage keeps one. Raises NoSuchObject when there is no object, and CorruptArtifact when it has
    other content by now.
    """
    return _call(address, "its digest", lambda client: client.recorded_digest(address))


def write(address: str, content: bytes) -> None:
    """Write an object, replacing any content that it has."""
    _call(address, "to write it", lambda client: client.write(address, content))


def create(address: str, content: bytes) -> bool:
    """Create an object; False when it exists because another process created it.

    The content must differ from what any other process would write. Raises StoreError when the store overwrites an
    object instead of refusing: two processes could then both believe that they created it.
    """
    client = _client(address)
    refused = _put_new(address, content)
    try:
        stored = read(address)
    except NoSuchObject:
        if refused:  # because another process is writing it at this moment
            return False
        raise
    if stored != content:
        if refused:
            return False
        raise StoreError(
            f"{address}: the store accepted a write, but has another process's content; "
            f"wanted a store that honours {client.condition}"
        )
    # Refused, but the content is ours: the response to the first request was lost, and the client repeated it.
    # Not refused: a store that does not promise it can only be trusted if it refuses a second request.
    if not refused and not client.promises_conditions and not _put_new(address, content):
        raise StoreError(
            f"{address}: the store overwrites an object although {client.condition} forbids it; "
            f"wanted a store that honours {client.condition}"
        )
    return True


def delete(address: str) -> None:
    """Remove an object; does nothing when there is none."""
    _call(address, "to remove it", lambda client: client.delete(address))


def upload(path: Path, address: str, wanted: str) -> None:
    """Write a file's content to an object and read it back; `wanted` is the digest of the file.

    Raises StoreError, and removes the object, when the digest of what was read back is another one.
    """
    _call(address, f"to write {path} there", lambda client: client.upload(path, address, _PART, wanted))
    got = digest_of(address)
    if got != wanted:
        delete(address)
        raise StoreError(
            f"{address}: wanted {wanted}, the digest of {path}, but read back {got}; "
            "try again when nothing writes to that file"
        )


def download(address: str, path: Path) -> str:
    """Write an object's content to a new file and return its digest; NoSuchObject when there is none."""
    modes = chain(["xb"], repeat("wb"))  # over the part of it that was read before the object changed

    def copy_all() -> str:
        total = hashlib.sha256()
        with open_object(address) as source, path.open(next(modes)) as target:
            while block := source.read(BLOCK):
                total.update(block)
                target.write(block)
        return f"sha256:{total.hexdigest()}"

    return _read_whole(copy_all)


def _read_whole(read_all: Callable[[], str]) -> str:
    """Read an object again when it was written again meanwhile, as a second push of the same model does."""
    for _ in range(_READS - 1):
        with suppress(ChangedWhileRead):
            return read_all()
    return read_all()


def _put_new(address: str, content: bytes) -> bool:
    """Write an object if there is none; return whether the store refused because it exists."""
    return _call(address, "to create it", lambda client: client.put_new(address, content))


def _call(address: str, wanted: str, operation: Callable[[ObjectClient], _Result]) -> _Result:
    """Run an operation on the connection; `wanted` is what the error message says was tried with the address."""
    client = _client(address)
    try:
        return operation(client)
    except client.errors as error:
        raise client.store_error(error, address, wanted) from error


def _client(address: str) -> ObjectClient:
    client: ObjectClient = _module(address).client()
    return client


def _module(address: str) -> Any:
    scheme, _, _ = checked(address).partition("://")
    return importlib.import_module(SERVICES[scheme])


def _inside(folder: str, listed: Iterable[Entry]) -> list[Entry]:
    """Return the entries of a listing without a folder's own placeholder or an object of the folder's name."""
    return sorted(
        entry for entry in listed if entry.address.startswith(f"{folder}/") and not entry.address.endswith("/")
    )


class _Reader(io.RawIOBase):
    """Reads an object as it was when it was opened: the store refuses the next block once it is written again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._file = _call(address, "to read it", lambda client: client.open(address, BLOCK))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        content = _call(self._address, "to read it", lambda _: self._file.read(len(buffer)))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
