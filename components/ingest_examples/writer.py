"""Shares records out to splits by their hash and writes them as gzipped TFRecord shards, compressing beside the reading."""

import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow_hotfix  # noqa: F401
import google_crc32c
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlops.core import digest, tfrecord
from mlops.core.examples import Shard, split_folder

_GZIP = 31
"""zlib's name for a gzip stream; its header has no time, so equal records are equal bytes."""
_LEVEL = 1
_BUCKETS = 10_000
_PENDING = 4
"""Blocks that may wait for compression; more would only hold memory."""

Shares = tuple[tuple[str, float], ...]
"""Splits and their percentages, adding up to 100."""


@dataclass
class _OpenShard:
    name: str
    stream: BinaryIO
    compressor: "zlib._Compress" = field(default_factory=lambda: zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP))
    records: int = 0

    def write(self, block: pa.Buffer) -> None:
        self.stream.write(self.compressor.compress(block))

    def close(self) -> None:
        self.stream.write(self.compressor.flush())
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()


class SpanWriter:
    """Writes the shards of one span, one per split; a split that gets no record has no shard."""

    def __init__(self, folder: Path, span: int, shares: Shares) -> None:
        self._folder = folder
        self._span = span
        self._splits = [split for split, _ in shares]
        self._bounds = np.cumsum([percent * _BUCKETS / 100 for _, percent in shares])[:-1]
        self._open: dict[str, _OpenShard] = {}
        self._compression = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._compression.shutdown(cancel_futures=True)
        for shard in self._open.values():
            shard.stream.close()

    def write(self, records: pa.Array) -> None:
        """Write serialized examples, each to the split that its hash chooses."""
        crcs = _crcs(records)
        framed = _framed(records, crcs)
        chosen = np.searchsorted(self._bounds, (crcs.astype(np.uint64) * _BUCKETS) >> np.uint64(32), side="right")
        for index, split in enumerate(self._splits):
            mine = chosen == index
            if mine.any():
                self._queue(split, framed if mine.all() else framed.filter(pa.array(mine)))

    def finish(self) -> list[Shard]:
        """Wait for the compression, close the files and describe them."""
        while self._pending:
            self._pending.popleft().result()
        shards = []
        for split, shard in self._open.items():
            shard.close()
            path = self._folder / shard.name
            shards.append(Shard(name=shard.name, split=split, span=self._span, records=shard.records, sha256=digest.of_file(path)))
        return shards

    def _queue(self, split: str, framed: pa.Array) -> None:
        shard = self._open.get(split) or self._start(split)
        shard.records += len(framed)
        while len(self._pending) >= _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._compression.submit(shard.write, _content(framed)))

    def _start(self, split: str) -> _OpenShard:
        name = f"{split_folder(split)}/span-{self._span:05d}-00000-of-00001.gz"
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open[split] = _OpenShard(name, path.open("wb"))
        return self._open[split]


def _crcs(records: pa.Array) -> npt.NDArray[np.uint32]:
    """CRC-32C of each record; it is the record's checksum and, because equal rows are equal bytes, its hash as well."""
    content, offsets = memoryview(_content(records)), _offsets(records)
    return np.fromiter((google_crc32c.value(bytes(content[start:end])) for start, end in pairwise(offsets)), np.uint32, len(records))


def _framed(records: pa.Array, crcs: npt.NDArray[np.uint32]) -> pa.Array:
    """Put each record between its header and its footer."""
    lengths = pc.binary_length(records).dictionary_encode()
    headers = pa.array([_header(length) for length in lengths.dictionary.to_pylist()], pa.binary()).take(lengths.indices)
    masked = ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(0xA282EAD8)
    offsets = np.arange(len(records) + 1, dtype=np.int32) * 4
    footers = pa.Array.from_buffers(pa.binary(), len(records), [None, pa.py_buffer(offsets), pa.py_buffer(masked.astype("<u4"))])
    return pc.binary_join_element_wise(headers, records, footers, b"")


def _header(length: int) -> bytes:
    size = length.to_bytes(8, "little")
    return tfrecord.HEADER.pack(length, tfrecord.masked_crc(size))


def _offsets(values: pa.Array) -> list[int]:
    """Offsets of the values in their content, from 0."""
    lengths = pc.binary_length(values).to_numpy(zero_copy_only=False)
    return [0, *np.cumsum(lengths).tolist()]


def _content(values: pa.Array) -> pa.Buffer:
    """Return the bytes of all values of a binary array without gaps, in one buffer."""
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + len(values) + 1]
    return values.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
