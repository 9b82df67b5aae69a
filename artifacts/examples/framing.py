"""Frames records as the TFRecord format has them, a whole block of records at once."""

from itertools import pairwise

import pyarrow_hotfix  # noqa: F401
import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.examples import tfrecord

GZIP = 31
"""zlib's `wbits` for a gzip stream; its header has no time stamp, so equal records are equal bytes."""
LEVEL = 1
"""Compression level of gzipped records."""


def crcs(records: pa.Array) -> npt.NDArray[np.uint32]:
    """Return the CRC-32C of each record, which is its checksum and, because equal rows are equal bytes, its hash."""
    joined, offsets = memoryview(content(records)), _offsets(records)
    return np.fromiter(
        (google_crc32c.value(bytes(joined[start:end])) for start, end in pairwise(offsets)), np.uint32, len(records)
    )


def framed(records: pa.Array, crcs: npt.NDArray[np.uint32]) -> pa.Array:
    """Add header and footer, with its CRC-32C, to each record."""
    lengths = pc.binary_length(records).dictionary_encode()
    headers = pa.array([_header(length) for length in lengths.dictionary.to_pylist()], pa.binary()).take(
        lengths.indices
    )
    masked = ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(0xA282EAD8)
    offsets = np.arange(len(records) + 1, dtype=np.int32) * 4
    footers = pa.Array.from_buffers(
        pa.binary(), len(records), [None, pa.py_buffer(offsets), pa.py_buffer(masked.astype("<u4"))]
    )
    return pc.binary_join_element_wise(headers, records, footers, b"")


def content(values: pa.Array) -> pa.Buffer:
    """Return the concatenated bytes of all values of a binary array, as one buffer without copying."""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    return values.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _header(length: int) -> bytes:
    size = length.to_bytes(8, "little")
    return tfrecord.HEADER.pack(length, tfrecord.masked_crc(size))


def _offsets(values: pa.Array) -> list[int]:
    """Return the offsets of the values in `content`, from 0, and its length."""
    lengths = pc.binary_length(values).to_numpy(zero_copy_only=False)
    return [0, *np.cumsum(lengths).tolist()]
