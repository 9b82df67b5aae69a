"""Deletes the rows of one key from a file of a span; every other row stays byte for byte, or value for value."""

import csv
import gzip
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq

from artifacts.deletion import staged
from artifacts.examples import tfrecord
from artifacts.labels.row_key import RowKey
from artifacts.spans import readers
from artifacts.spans.files import SourceFile
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from core.errors import DataError

_BATCH = 4096
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Wanted:
    """The rows to delete: those whose key, as `RowKey` makes it of what a run reads, is this one."""

    key: str
    row_key: RowKey
    format: str
    options: ReadOptions

    def mask(self, rows: pa.RecordBatch | pa.Array) -> list[bool]:
        """Return whether each row has the key."""
        is_batch = isinstance(rows, pa.RecordBatch)
        found = self.row_key.keys(rows) if is_batch else self.row_key.keys_of_records(rows.to_pylist())
        return [one == self.key for one in found]


def count(path: Path, wanted: Wanted) -> int:
    """Count the rows of a file that have the key, without changing it; raises DataError for what cannot be read."""
    read = readers.reader(wanted.format)
    file, rejects = SourceFile(0, path, path.name), _Ignored(sys.maxsize, path)
    return sum(sum(wanted.mask(rows)) for rows in read(file, wanted.options, rejects))


def delete(path: Path, wanted: Wanted) -> int:
    """Delete the rows of a file that have the key, and return how many; a file without any is not written."""
    found = count(path, wanted)
    if found:
        _WRITERS[wanted.format](path, wanted)
    return found


def _parquet(path: Path, wanted: Wanted) -> None:
    kept = 0
    options = replace(wanted.options, batch_rows=_BATCH)
    converted = readers.reader("parquet")(SourceFile(0, path, path.name), options, _Ignored(0, path))
    with staged.staged(path) as target:
        source = pq.ParquetFile(path)
        with pq.ParquetWriter(target, source.schema_arrow) as writer:
            for rows, read in zip(source.iter_batches(_BATCH), converted, strict=True):
                left = rows.filter(pa.array([not one for one in wanted.mask(read)]))
                kept += left.num_rows
                writer.write_batch(left)
        staged.replace(path, kept, target)


def _tfrecord(path: Path, wanted: Wanted) -> None:
    kept = 0
    with staged.staged(path) as target, path.open("rb") as source:
        is_gzipped = source.read(2) == _GZIP
        source.seek(0)
        records = (record for _, record in tfrecord.read(source, path, wanted.options.max_record_bytes))
        with target.open("wb") as plain:
            stream = gzip.GzipFile("", "wb", fileobj=plain, mtime=0) if is_gzipped else plain
            while block := list(islice(records, _BATCH)):
                mask = wanted.mask(pa.array(block, pa.binary()))
                left = [record for record, is_wanted in zip(block, mask, strict=True) if not is_wanted]
                kept += len(left)
                stream.write(b"".join(map(tfrecord.frame, left)))
            if stream is not plain:
                stream.close()
        staged.replace(path, kept, target)


def _csv(path: Path, wanted: Wanted) -> None:
    kept = 0
    with staged.staged(path) as target, path.open(encoding="utf-8", newline="") as source, target.open("wb") as out:
        records = _records(source, wanted.options.delimiter)
        header = next(records)
        out.write(header.encode())
        while block := list(islice(records, _BATCH)):
            mask = _csv_mask(header, block, wanted)
            left = [record for record, is_wanted in zip(block, mask, strict=True) if not is_wanted]
            kept += len(left)
            out.write("".join(left).encode())
        out.flush()
        staged.replace(path, kept, target)


def _records(lines: Iterator[str], delimiter: str) -> Iterator[str]:
    """Yield each record of a CSV file as it is written, with its line ends; a record may have several lines."""
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    for _ in csv.reader(noted(), strict=True, delimiter=delimiter):
        yield "".join(taken)
        taken.clear()


def _csv_mask(header: str, block: Sequence[str], wanted: Wanted) -> list[bool]:
    """Return which records have the key; one that a run rejects, or that is blank, has none."""
    found = _read_csv(header, block, wanted)
    if len(found) == len(block):
        return found
    return [any(_read_csv(header, [record], wanted)) for record in block]


def _read_csv(header: str, block: Sequence[str], wanted: Wanted) -> list[bool]:
    end = "" if header.endswith("\n") else "\n"
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv") as file:
        file.write(header + end + "".join(block))
        file.flush()
        path = Path(file.name)
        mask: list[bool] = []
        try:
            for rows in readers.reader("csv")(SourceFile(0, path, path.name), wanted.options, _Ignored(0, path)):
                mask += wanted.mask(rows)
        except DataError:
            if len(block) > 1:
                return []  # one of the records cannot be read: they are read one by one
        return mask


class _Ignored(Rejects):
    """Ignores invalid rows, which no run reads."""

    def add(self, fault: object, path: object) -> None:
        """Do nothing."""


_WRITERS: dict[str, Callable[[Path, Wanted], None]] = {"parquet": _parquet, "tfrecord": _tfrecord, "csv": _csv}
