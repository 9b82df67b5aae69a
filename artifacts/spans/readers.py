"""Which module reads which kind of file; it is imported when the first file of that kind is read."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from artifacts.spans.read_options import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from artifacts.spans.files import SourceFile
    from artifacts.spans.rejects import Rejects

Reader = Callable[["SourceFile", ReadOptions, "Rejects"], "Iterator[pa.RecordBatch | pa.Array]"]
"""Yields a file's rows in batches: as columns, or as serialized tf.Examples where the file holds those."""


def _csv() -> Reader:
    from artifacts.spans import csv_rows  # noqa: PLC0415

    return csv_rows.read


def _parquet() -> Reader:
    from artifacts.spans import parquet_rows  # noqa: PLC0415

    return parquet_rows.read


def _tfrecord() -> Reader:
    from artifacts.spans import tfrecord_rows  # noqa: PLC0415

    return tfrecord_rows.read


FORMATS: Mapping[str, Callable[[], Reader]] = {"csv": _csv, "parquet": _parquet, "tfrecord": _tfrecord}
"""A further format is one more module and one line; imports are written out, so that cache keys cover them."""


def reader(format: str) -> Reader:
    """Return what reads files of a format; it raises DataError, with file and place, for anything that is not sound."""
    return FORMATS[format]()
