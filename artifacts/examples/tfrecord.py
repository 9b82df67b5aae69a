"""Reads the TFRecord format: records one after the other, each with its length and two checksums.

TensorFlow reads a file that was cut inside a header, or at a record's boundary, without an error. For this reader the
former is an error; the latter is only detected by the number of records in the manifest.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from core.errors import CorruptArtifact

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_CHUNK = 1 << 20
_MASK = 0xA282EAD8


class TornRecord(CorruptArtifact):
    """The last record of a file is incomplete, as a writer leaves it that died while it wrote."""


def frame(record: bytes) -> bytes:
    """Return a record with its length and checksums, as it is in a file."""
    return b"".join((_header(len(record)), record, FOOTER.pack(masked_crc(record))))


@lru_cache(4096)
def _header(length: int) -> bytes:
    return HEADER.pack(length, masked_crc(length.to_bytes(8, "little")))


def masked_crc(content: bytes) -> int:
    """CRC-32C of some bytes, rotated and shifted as the TFRecord format requires."""
    crc = int(google_crc32c.value(content))
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def read(stream: BinaryIO, path: Path | str, max_record_bytes: int = 1 << 28) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, record) of a plain or gzipped file; offsets are those of the uncompressed content.

    Raises CorruptArtifact with path and offset for anything but complete records with valid checksums; TornRecord for
    a last record that is cut short or damaged; after a power cut, zeros may follow it.
    """
    plain = _inflated(stream)
    offset = 0
    while header := _take(plain, HEADER.size, path, offset):
        if len(header) < HEADER.size:
            raise _torn(path, offset, f"wanted {HEADER.size} bytes of a record's header, got {len(header)}")
        length, crc = HEADER.unpack(header)
        if masked_crc(header[:8]) != crc:
            if _ends(plain, path, offset):
                raise _torn(path, offset, "the checksum of the last record's length is wrong")
            raise _corrupt(path, offset, "the checksum of a record's length is wrong: is this a TFRecord file?")
        if length > max_record_bytes:
            raise _corrupt(path, offset, f"wanted a record of at most {max_record_bytes} bytes, got {length}")
        rest = _take(plain, length + FOOTER.size, path, offset)
        if len(rest) < length + FOOTER.size:
            raise _torn(path, offset, f"wanted {length + FOOTER.size} bytes of a record, got {len(rest)}")
        if masked_crc(rest[:length]) != FOOTER.unpack(rest[length:])[0]:
            if _ends(plain, path, offset):
                raise _torn(path, offset, "the checksum of the last record is wrong")
            raise _corrupt(path, offset, "the checksum of a record is wrong")
        yield offset, rest[:length]
        offset += HEADER.size + length + FOOTER.size


def count(path: Path) -> int:
    """Count the records of an uncompressed file by their lengths alone; one that is cut short is not counted."""
    records = end = 0
    size = path.stat().st_size
    with path.open("rb") as stream:
        while len(header := stream.read(HEADER.size)) == HEADER.size:
            end += HEADER.size + HEADER.unpack(header)[0] + FOOTER.size
            records += end <= size
            stream.seek(end)
    return records


def read_trusted(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the records of an uncompressed file whose digest was verified, without checking their checksums."""
    return chain.from_iterable(_records_of(content))


def _records_of(content: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the records that each chunk of a file completes."""
    rest = b""
    for chunk in content:
        block, start, found = rest + chunk, 0, []
        last = len(block) - HEADER.size
        while start <= last:
            begin = start + HEADER.size
            end = begin + _LENGTH.unpack_from(block, start)[0]
            if end > last + HEADER.size - FOOTER.size:
                break
            found.append(block[begin:end])
            start = end + FOOTER.size
        rest = block[start:]
        yield found


def inflate(path: Path) -> Iterator[bytes]:
    """Yield the uncompressed content of a gzipped file in chunks of up to a megabyte."""
    with gzip.open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _inflated(stream: BinaryIO) -> BinaryIO:
    """Return the uncompressed stream; a plain file is recognized by its first checksum, a gzipped one by its magic."""
    start = stream.read(HEADER.size)
    stream.seek(0)
    is_plain = len(start) == HEADER.size and masked_crc(start[:8]) == HEADER.unpack(start)[1]
    if start[:2] == b"\x1f\x8b" and not is_plain:
        return gzip.open(stream, "rb")  # type: ignore[return-value]  # GzipFile reads like a BinaryIO
    return stream


def _take(stream: BinaryIO, size: int, path: Path | str, offset: int) -> bytes:
    try:
        return stream.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _corrupt(path, offset, f"the gzip stream is broken: {error}") from error


def _ends(stream: BinaryIO, path: Path | str, offset: int) -> bool:
    """Whether nothing but zeros follows."""
    while content := _take(stream, _CHUNK, path, offset):
        if content.strip(b"\0"):
            return False
    return True


def _torn(path: Path | str, offset: int, fault: str) -> TornRecord:
    return TornRecord(f"{path}: offset {offset}: {fault}: the file is cut short; write the file again from its source")


def _corrupt(path: Path | str, offset: int, fault: str) -> CorruptArtifact:
    return CorruptArtifact(f"{path}: offset {offset}: {fault}; write the file again from its source")
