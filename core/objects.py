"""Objects in an object store, by address: `s3://<bucket>/<key>`. What a name's parts are is the caller's business.

Writes are atomic: no store shows half an object. There is no rename and no lock; `create` is what several processes
agree by.
"""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from core import digest, s3
from core.errors import NoSuchObject, StoreError, UsageError

BLOCK = 4 << 20
"""Bytes that are read at once."""
_PART = 16 << 20
_SCHEME = "s3://"
_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/\\?*\[\]{}#%\x00-\x1f\x7f]+)*", re.ASCII)

_Answer = TypeVar("_Answer")


class Entry(NamedTuple):
    """An object, or what a store shows as a folder: the common beginning of addresses."""

    address: str
    size: int
    stamp: str
    """Another one when the object is written again."""
    is_folder: bool
    modified: str
    """ISO 8601, for people."""

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]


def is_address(text: str) -> bool:
    """Whether a text names a place in an object store rather than a path."""
    return text.startswith(_SCHEME)


def checked(address: str) -> str:
    """Return an address without a slash at its end; UsageError for one that cannot be."""
    plain = address.rstrip("/")
    if not _ADDRESS.fullmatch(plain) or {".", ".."} & set(plain.split("/")):
        raise UsageError(f"wanted an address in an object store, such as s3://bucket/folder, got {address!r}")
    return plain


def join(address: str, *names: str | int) -> str:
    """Return the address of a name below another."""
    return "/".join([address, *map(str, names)])


def entries(folder: str) -> list[Entry]:
    """Return what lies directly in a folder, by name; nothing where there is none. StoreError without the bucket."""
    try:
        found = _ask(folder, "a list of what is there", lambda fs: fs.ls(folder, detail=True, timeout=s3.SECONDS))
    except NoSuchObject:
        return []
    return _below(folder, found)


def below(folder: str) -> list[Entry]:
    """Return all objects below a folder, however deep, by address."""
    return _below(
        folder,
        _ask(
            folder, "a list of what is below it", lambda fs: fs.find(folder, detail=True, timeout=s3.SECONDS)
        ).values(),
    )


def look(address: str) -> Entry:
    """Return what the store says of one object; NoSuchObject when there is none."""
    return _entry(_ask(address, "an object", lambda fs: fs.info(address, timeout=s3.SECONDS)))


def open_object(address: str) -> io.BufferedReader:
    """Open an object for reading, block by block.

    Raises NoSuchObject when there is none, StoreError when it changes while it is read.
    """
    return io.BufferedReader(_Reader(address), BLOCK)


def read(address: str) -> bytes:
    """Return a small object's content; NoSuchObject when there is none."""
    content = _ask(address, "to read it", lambda fs: fs.cat_file(address, max_concurrency=1, timeout=s3.SECONDS))
    assert isinstance(content, bytes)
    return content


def digest_of(address: str) -> str:
    """Return the digest of an object's content, read block by block."""
    with open_object(address) as stream:
        return digest.of_stream(stream)


def write(address: str, content: bytes) -> None:
    """Give an object its content, whatever was there."""
    _ask(address, "to write it", lambda fs: fs.pipe_file(address, content, timeout=s3.SECONDS))


def create(address: str, content: bytes) -> bool:
    """Write an object where there is none; False when another process did. The content must be this writer's alone.

    Raises StoreError when the store writes over what is there instead of refusing: nothing can be agreed by it then.
    """
    refused = _put_new(address, content)
    try:
        there = read(address)
    except NoSuchObject:
        if refused:  # because another is just writing there
            return False
        raise
    if there != content:
        if refused:
            return False
        raise StoreError(
            f"{address}: the store took what was written there, but keeps another's; "
            "wanted one that honours If-None-Match"
        )
    # Refused, and yet ours: the first answer was lost, and s3fs asked again.
    # Not refused: only a store that refuses the second time can be trusted.
    if not refused and not _put_new(address, content):
        raise StoreError(
            f"{address}: the store writes over an object although it was asked not to; "
            "wanted one that honours If-None-Match"
        )
    return True


def delete(address: str) -> None:
    """Remove an object; one that is not there is removed already."""
    _ask(address, "to remove it", lambda fs: fs.rm_file(address, timeout=s3.SECONDS))


def upload(path: Path, address: str, wanted: str) -> None:
    """Write a file's content to an object and read it back.

    Raises StoreError, and leaves no object, when its digest is not the one wanted.
    """
    seconds = s3.SECONDS + path.stat().st_size / s3.BYTES_PER_SECOND
    _ask(
        address, f"to write {path} there", lambda fs: fs.put_file(str(path), address, chunksize=_PART, timeout=seconds)
    )
    if (got := digest_of(address)) != wanted:
        delete(address)
        raise StoreError(
            f"{address}: wanted {wanted} as {path} had it, but read back {got}; "
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
    """Ask for a write where there is nothing; return whether the store refused."""

    def put(fs: Any) -> bool:
        try:
            fs.pipe_file(address, content, mode="create", timeout=s3.SECONDS)
        except s3.faults() as error:
            if s3.is_already_there(error):
                return True
            raise
        return False

    return _ask(address, "to create it", put)


def _ask(address: str, wanted: str, question: Callable[[Any], _Answer]) -> _Answer:
    """Put a question to the store; what goes wrong is an error that names the address."""
    try:
        return question(s3.connect())
    except s3.faults() as error:
        raise s3.explained(error, address, wanted) from error


def _below(folder: str, found: Any) -> list[Entry]:
    """Turn what s3fs lists into entries, without a folder's own placeholder or an object of the folder's name."""
    listed = (_entry(info) for info in found)
    return sorted(
        entry for entry in listed if entry.address.startswith(f"{folder}/") and not entry.address.endswith("/")
    )


def _entry(info: Any) -> Entry:
    modified = info.get("LastModified", "")
    iso = modified.isoformat(timespec="seconds") if modified else ""
    return Entry(
        f"{_SCHEME}{info['name']}",
        info["size"] or 0,
        f"{info.get('ETag', '')} {info['size']} {modified}",
        info["type"] == "directory",
        iso,
    )


class _Reader(io.RawIOBase):
    """Reads an object as it was when it was opened; the store refuses the next block of one that was written again."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._file = _ask(address, "to read it", lambda fs: fs.open(address, "rb", block_size=BLOCK, cache_type="none"))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        content = _ask(self._address, "to read it", lambda _: self._file.read(len(buffer)))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
