"""Writes the files of one output shard under hidden names, and renames them when all of them are complete."""

import os
import zlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.examples import framing
from artifacts.inference.manifest import InferredShard, WrittenFile
from artifacts.inference.names import logs_name, shard_name
from components.infer_bulk.predictor import Numbers, Predicted
from components.infer_bulk.shards import OutputShard
from core import digest, durable

QUANTILES = 101


class Folders(NamedTuple):
    """The folders of the outputs."""

    prediction_logs: Path
    examples: Path
    parquet: Path


def paths(folders: Folders, shard: OutputShard) -> dict[str, Path]:
    """Return the file of each kind of output."""
    return {
        "prediction_logs": folders.prediction_logs / logs_name(shard.number, shard.of),
        "examples": folders.examples / shard_name(shard.stem, shard.in_span, shard.of_span, "gz"),
        "parquet": folders.parquet / shard_name(shard.stem, shard.in_span, shard.of_span, "parquet"),
    }


class ShardWriter:
    """The files of one shard; a reader sees none of them before `finish`."""

    def __init__(self, folders: Folders, shard: OutputShard) -> None:
        self._folders = folders
        self._shard = shard
        self._targets = paths(folders, shard)
        self._gzipped: dict[str, _Gzipped] = {}
        self._parquet: pq.ParquetWriter | None = None
        self._rows = self._not_finite = 0
        self._numbers: dict[str, list[Numbers]] = {}
        self._classes: Counter[str] = Counter()

    def add(self, batch: Predicted) -> None:
        """Write a batch to each file."""
        self._rows += batch.rows
        self._not_finite += batch.not_finite
        self._classes += batch.classes
        for column, numbers in batch.numbers.items():
            self._numbers.setdefault(column, []).append(numbers)
        for kind, content in (("prediction_logs", batch.prediction_logs), ("examples", batch.examples)):
            if content is not None:
                if kind not in self._gzipped:
                    self._gzipped[kind] = _Gzipped(_staged(self._targets[kind]))
                self._gzipped[kind].write(content)
        if batch.parquet is not None:
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(_staged(self._targets["parquet"]), batch.parquet.schema)
            self._parquet.write_table(pa.Table.from_batches([batch.parquet]))

    def finish(self) -> InferredShard:
        """Complete the files, make them visible, and describe them."""
        for file in self._gzipped.values():
            file.close()
        written = list(self._gzipped)
        if self._parquet is not None:
            self._parquet.close()
            durable.sync(_staged(self._targets["parquet"]))
            written.append("parquet")
        files = {}
        for kind in written:
            target = self._targets[kind]
            sha256 = digest.of_file(_staged(target))
            _staged(target).replace(target)
            durable.sync(target.parent)
            folder: Path = getattr(self._folders, kind)
            files[kind] = WrittenFile(name=target.relative_to(folder).as_posix(), sha256=sha256)
        shard = self._shard
        return InferredShard(
            number=shard.number,
            split=shard.source.split,
            span=shard.source.span,
            rows=self._rows,
            not_finite=self._not_finite,
            quantiles={column: _quantiles(np.concatenate(parts)) for column, parts in self._numbers.items()},
            classes=dict(sorted(self._classes.items())),
            files=files,
        )


def _staged(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f"{durable.STAGING}{target.name}")


def _quantiles(numbers: Numbers) -> tuple[float, ...]:
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return ()
    found: list[float] = np.quantile(finite, np.linspace(0, 1, QUANTILES)).tolist()
    return tuple(found)


class _Gzipped:
    """A gzip file without a time stamp, so that equal records are equal bytes."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("wb")
        self._compressor = zlib.compressobj(framing.LEVEL, zlib.DEFLATED, framing.GZIP)

    def write(self, content: pa.Buffer) -> None:
        self._stream.write(self._compressor.compress(content))

    def close(self) -> None:
        self._stream.write(self._compressor.flush())
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
