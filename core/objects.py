"""Reads and writes objects of an object store, by address: `s3://<bucket>/<key>`.

Writes are atomic: a reader never sees half an object. There is no rename and no lock; where several processes compete,
`create` lets one of them win. Every function raises StoreError when the store cannot be reached or refuses.
"""

import hashlib
import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from core import digest, s3
from core.errors import NoSuchObject, StoreError, UsageError

BLOCK = 4 << 20
"""Bytes per read."""
_PART = 16 << 20
"""Bytes per part of an upload."""
_SCHEME = "s3://"
_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/\\?*\[\]{}#%\x00-\x1f\x7f]+)*", re.ASCII)

_Result = TypeVar("_Result")


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


def is_address(text: str) -> bool:
    """Whether a text is an address in an object store rather than a path."""
    return text.startswith(_SCHEME)


def checked(address: str) -> str:
    """Return a valid address without a slash at its end; UsageError for any other text."""
    plain = address.rstrip("/")
    if not _ADDRESS.fullmatch(plain) or {".", ".."} & set(plain.split("/")):
        raise UsageError(f"wanted an address in an object store, such as s3://bucket/folder, got {address!r}")
    return plain


def join(address: str, *names: str | int) -> str:
    """Return the address of a name below another address."""
    return "/".join([address, *map(str, names)])


def entries(folder: str) -> list[Entry]:
    """Return the objects and folders directly in a folder, sorted by address.

    A folder that does not exist is empty; StoreError when the bucket does not exist.
    """
    try:
        found = _call(folder, "to list it", lambda fs: fs.ls(folder, detail=True, timeout=s3.SECONDS))
    except NoSuchObject:
        return []
    return _inside(folder, found)


def walk(folder: str) -> list[Entry]:
    """Return all objects below a folder, at any depth, sorted by address; none where there is no such folder."""
    found = _call(folder, "to list all objects below it", lambda fs: fs.find(folder, detail=True, timeout=s3.SECONDS))
    return _inside(folder, found.values())


def stat(address: str) -> Entry:
    """Return size and stamp of one object; NoSuchObject when there is none."""
    return _entry(_call(address, "an object", lambda fs: fs.info(address, timeout=s3.SECONDS)))


def open_object(address: str) -> io.BufferedReader:
    """Open an object for reading, `BLOCK` bytes at a time.

    Raises NoSuchObject when there is none, StoreError when it changes while it is read.
    """
    return io.BufferedReader(_Reader(address), BLOCK)


def read(address: str) -> bytes:
    """Return the content of an object that fits into memory; NoSuchObject when there is none."""
    content = _call(address, "to read it", lambda fs: fs.cat_file(address, max_concurrency=1, timeout=s3.SECONDS))
    assert isinstance(content, bytes)
    return content


def digest_of(address: str) -> str:
    """Return the digest of an object's content, read `BLOCK` bytes at a time; NoSuchObject when there is none."""
    with open_object(address) as stream:
        return digest.of_stream(stream)


def write(address: str, content: bytes) -> None:
    """Write an object, replacing any content that it has."""
    _call(address, "to write it", lambda fs: fs.pipe_file(address, content, timeout=s3.SECONDS))


def create(address: str, content: bytes) -> bool:
    """Create an object; False when it exists because another process created it.

    The content must differ from what any other process would write. Raises StoreError when the store overwrites an
    object instead of refusing: two processes could then both believe that they created it.
    """
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
            "wanted a store that honours If-None-Match"
        )
    # Refused, but the content is ours: the response to the first request was lost, and s3fs repeated it.
    # Not refused: the store can only be trusted if it refuses a second request.
    if not refused and not _put_new(address, content):
        raise StoreError(
            f"{address}: the store overwrites an object although If-None-Match forbids it; "
            "wanted a store that honours If-None-Match"
        )
    return True


def delete(address: str) -> None:
    """Remove an object; does nothing when there is none."""
    _call(address, "to remove it", lambda fs: fs.rm_file(address, timeout=s3.SECONDS))


def upload(path: Path, address: str, wanted: str) -> None:
    """Write a file's content to an object and read it back; `wanted` is the digest of the file.

    Raises StoreError, and removes the object, when the digest of what was read back is another one.
    """
    seconds = s3.SECONDS + path.stat().st_size / s3.BYTES_PER_SECOND
    _call(
        address, f"to write {path} there", lambda fs: fs.put_file(str(path), address, chunksize=_PART, timeout=seconds)
    )
    got = digest_of(address)
    if got != wanted:
        delete(address)
        raise StoreError(
            f"{address}: wanted {wanted}, the digest of {path}, but read back {got}; "
            "try again when nothing writes to that file"
        )


def download(address: str, path: Path) -> str:
    """Write an object's content to a new file and return its digest; NoSuchObject when there is none."""
    total = hashlib.sha256()
    with open_object(address) as source, path.open("xb") as target:
        while block := source.read(BLOCK):
            total.update(block)
            target.write(block)
    return f"sha256:{total.hexdigest()}"


def _put_new(address: str, content: bytes) -> bool:
    """Write an object with If-None-Match; return whether the store refused because it exists."""

    def put(fs: Any) -> bool:
        try:
            fs.pipe_file(address, content, mode="create", timeout=s3.SECONDS)
        except s3.exceptions() as error:
            if s3.already_exists(error):
                return True
            raise
        return False

    return _call(address, "to create it", put)


def _call(address: str, wanted: str, operation: Callable[[Any], _Result]) -> _Result:
    """Run an operation on the connection; `wanted` is what the error message says was tried with the address."""
    try:
        return operation(s3.connect())
    except s3.exceptions() as error:
        raise s3.store_error(error, address, wanted) from error


def _inside(folder: str, listing: Iterable[Any]) -> list[Entry]:
    """Turn a listing of s3fs into entries, without a folder's own placeholder or an object of the folder's name."""
    listed = (_entry(info) for info in listing)
    return sorted(
        entry for entry in listed if entry.address.startswith(f"{folder}/") and not entry.address.endswith("/")
    )


def _entry(info: Any) -> Entry:
    modified = info.get("LastModified", "")
    iso = modified.isoformat(timespec="seconds") if modified else ""
    return Entry(
        address=f"{_SCHEME}{info['name']}",
        size=info["size"] or 0,
        stamp=f"{info.get('ETag', '')} {info['size']} {modified}",
        is_folder=info["type"] == "directory",
        modified=iso,
    )


class _Reader(io.RawIOBase):
    """Reads an object as it was when it was opened: the store refuses the next block once it is written again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._file = _call(
            address, "to read it", lambda fs: fs.open(address, "rb", block_size=BLOCK, cache_type="none")
        )

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        content = _call(self._address, "to read it", lambda _: self._file.read(len(buffer)))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
