"""The TFRecord container: records one after the other, each with its length and two checksums.

TensorFlow takes a file that was cut at a record's boundary, or inside a header, for a complete one. This reader
does not: bytes that are left over are an error. A cut at a boundary can only be seen by counting, which is what a
manifest is for.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from core.errors import CorruptArtifact

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
_CHUNK = 1 << 20
_MASK = 0xA282EAD8


def masked_crc(content: bytes) -> int:
    """CRC-32C of some bytes, rotated and shifted as the TFRecord format wants it."""
    crc = int(google_crc32c.value(content))
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def read(stream: BinaryIO, path: Path | str, max_record_bytes: int = 1 << 28) -> Iterator[tuple[int, bytes]]:
    """Yield each record and its offset in the (inflated) file; whether it is gzipped is seen from its first bytes.

    Raises CorruptArtifact with the path and offset for anything that is not whole and sound records.
    """
    plain = _inflated(stream)
    offset = 0
    while header := _take(plain, HEADER.size, path, offset):
        if len(header) < HEADER.size:
            raise _corrupt(
                path,
                offset,
                f"wanted {HEADER.size} bytes of a record's header, got {len(header)}: the file is cut short",
            )
        length, crc = HEADER.unpack(header)
        if masked_crc(header[:8]) != crc:
            raise _corrupt(path, offset, "the checksum of a record's length does not hold: is this a TFRecord file?")
        if length > max_record_bytes:
            raise _corrupt(path, offset, f"wanted a record of at most {max_record_bytes} bytes, got {length}")
        rest = _take(plain, length + FOOTER.size, path, offset)
        if len(rest) < length + FOOTER.size:
            raise _corrupt(
                path, offset, f"wanted {length + FOOTER.size} bytes of a record, got {len(rest)}: the file is cut short"
            )
        if masked_crc(rest[:length]) != FOOTER.unpack(rest[length:])[0]:
            raise _corrupt(path, offset, "the checksum of a record does not hold")
        yield offset, rest[:length]
        offset += HEADER.size + length + FOOTER.size


def read_trusted(content: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the records of an inflated file whose digest is already verified: the checksums are not computed again."""
    rest = b""
    for chunk in content:
        block, at = rest + chunk, 0
        while at + HEADER.size <= len(block):
            end = at + HEADER.size + int.from_bytes(block[at : at + 8], "little")
            if end + FOOTER.size > len(block):
                break
            yield block[at + HEADER.size : end]
            at = end + FOOTER.size
        rest = block[at:]


def inflate(path: Path) -> Iterator[bytes]:
    """Yield the content of a gzipped file in pieces of about a megabyte."""
    with gzip.open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _inflated(stream: BinaryIO) -> BinaryIO:
    """Read the first header: a plain file's length has a checksum that holds, a gzipped file has a magic number."""
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


def _corrupt(path: Path | str, offset: int, what: str) -> CorruptArtifact:
    return CorruptArtifact(f"{path}: offset {offset}: {what}; write the file again from its source")
