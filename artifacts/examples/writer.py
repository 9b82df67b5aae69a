"""Writes records to their splits as TFRecord shards, compressed in a second thread."""

import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.examples import columns, framing
from artifacts.examples.manifest import Columns, Shard
from artifacts.examples.names import WHOLE, Place, columns_name, records_name, shard_stem
from core import digest

_PENDING = 4
"""Maximum number of blocks that wait for compression, which bounds memory."""

Shares = tuple[tuple[str, float], ...]
"""Splits and their percentages, adding up to 100."""


class Block(NamedTuple):
    """Rows as serialized examples and, if they were read as columns of single values, as those columns."""

    records: pa.Array
    columns: pa.RecordBatch | None
    split: npt.NDArray[np.intp] | None = None
    """For each row, the place of its split among the shares; None where there is one split."""


class SpanWriter:
    """Writes the shards of a span, or of one part of it, one per split; a split without records has no shard."""

    def __init__(self, folder: Path, span: int, shares: Shares, place: Place = WHOLE) -> None:
        self._folder = folder
        self._span = span
        self._place = place
        self._splits = [split for split, _ in shares]
        self._open: dict[str, _ShardWriter] = {}
        self._compression = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._compression.shutdown(cancel_futures=True)
        for shard in self._open.values():
            shard.abandon()

    def write(self, block: Block) -> None:
        """Write each row to its split."""
        framed = Block(framing.framed(block.records, framing.crcs(block.records)), block.columns)
        if block.split is None:
            assert len(self._splits) == 1
            self._queue(self._splits[0], framed)
            return
        for index, split in enumerate(self._splits):
            in_split = block.split == index
            if in_split.any():
                self._queue(split, framed if in_split.all() else _filtered(framed, pa.array(in_split)))

    def finish(self) -> list[Shard]:
        """Wait for the compression, close the files and return the shards."""
        while self._pending:
            self._pending.popleft().result()
        return [shard.finish(split, self._span) for split, shard in self._open.items()]

    def _queue(self, split: str, framed: Block) -> None:
        shard = self._open.get(split) or self._open.setdefault(
            split, _ShardWriter(self._folder, shard_stem(split, self._span), self._place)
        )
        while len(self._pending) >= _PENDING:
            self._pending.popleft().result()
        self._pending.append(self._compression.submit(shard.write, framed))


class _ShardWriter:
    """Writes one shard's records and, while all of its rows have the same columns, those columns."""

    def __init__(self, folder: Path, stem: str, place: Place) -> None:
        self._folder = folder
        self._records_name = records_name(stem, place)
        self._columns_name = columns_name(stem, place)
        self._records = 0
        self._stream = _create(folder / self._records_name)
        self._compressor = zlib.compressobj(framing.LEVEL, zlib.DEFLATED, framing.GZIP)
        self._columns_stream: BinaryIO | None = _create(folder / self._columns_name)
        self._columns: pa.RecordBatchStreamWriter | None = None
        self._columns_schema: pa.Schema | None = None

    def write(self, framed: Block) -> None:
        self._records += len(framed.records)
        self._stream.write(self._compressor.compress(framing.content(framed.records)))
        if self._columns_stream is None:
            return
        if framed.columns is None or self._columns_schema not in (None, framed.columns.schema):
            self._drop_columns()
            return
        if self._columns is None:
            self._columns_schema = framed.columns.schema
            self._columns = pa.ipc.new_stream(self._columns_stream, self._columns_schema, options=columns.OPTIONS)
        self._columns.write_batch(framed.columns)

    def finish(self, split: str, span: int) -> Shard:
        self._stream.write(self._compressor.flush())
        _close(self._stream)
        written_columns = None
        if self._columns_stream is not None and self._columns is not None:
            self._columns.close()
            _close(self._columns_stream)
            written_columns = Columns(name=self._columns_name, sha256=digest.of_file(self._folder / self._columns_name))
        sha256 = digest.of_file(self._folder / self._records_name)
        return Shard(
            name=self._records_name,
            split=split,
            span=span,
            records=self._records,
            sha256=sha256,
            columns=written_columns,
        )

    def abandon(self) -> None:
        """Close the files that are still open; does nothing after `finish`."""
        self._stream.close()
        if self._columns_stream is not None:
            self._columns_stream.close()

    def _drop_columns(self) -> None:
        assert self._columns_stream is not None
        self._columns_stream.close()
        self._columns_stream = None
        (self._folder / self._columns_name).unlink()


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _close(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()


def _filtered(block: Block, mask: pa.Array) -> Block:
    return Block(block.records.filter(mask), None if block.columns is None else block.columns.filter(mask))
