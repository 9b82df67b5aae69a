"""The reader of each file format, imported when it is first used."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from artifacts.spans.read_options import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from artifacts.spans.files import SourceFile
    from artifacts.spans.rejects import Rejects

Reader = Callable[["SourceFile", ReadOptions, "Rejects"], "Iterator[pa.RecordBatch | pa.Array]"]
"""Yields a file's rows in batches: as columns, or as serialized tf.Examples if the file has those."""


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
"""Adding a format takes a module and a line; imports are static, so that cache keys include the modules."""


def reader(format: str) -> Reader:
    """Return the reader of a format; it raises DataError, with file and line, for invalid content."""
    return FORMATS[format]()
