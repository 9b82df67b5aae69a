"""Splits CSV files into records, strictly: what is no record is an error with file, line and offset.

The format is RFC 4180 in UTF-8, with or without a byte order mark; blank lines are skipped.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from artifacts.spans.pattern import Location
from artifacts.spans.read_options import ReadOptions
from core.errors import DataError, EmptyDataset

_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"
"""Common delimiters of CSV files."""


class Row(NamedTuple):
    """The cells of a record, and the line on which it starts."""

    line: int
    cells: list[str]


class Records:
    """Iterates over a file's records, with the line on which each starts."""

    def __init__(self, stream: BinaryIO, path: Location, options: ReadOptions) -> None:
        self.path = path
        self._stream = stream
        self._limit = options.max_record_bytes
        self._record_bytes = 0
        self._start = 1
        self._reader = csv.reader(self._lines(), strict=True, delimiter=options.delimiter)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        while True:
            self._record_bytes = 0
            self._start = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except csv.Error as error:
                raise DataError(
                    f"{self.path}:{self._start}: wanted a CSV record, got {error}; is a quote left open or not doubled?"
                ) from error
            if cells:
                return Row(self._start, cells)

    def _lines(self) -> Iterator[str]:
        """Yield decoded lines; DataError for an invalid one has its number and its offset in the file."""
        offset = 0
        while raw := self._stream.readline(self._limit + 1):
            number = self._reader.line_num + 1
            self._record_bytes += len(raw)
            if self._record_bytes > self._limit:
                raise DataError(
                    f"{self.path}:{self._start}: wanted a record of at most {self._limit} bytes, "
                    f"got a longer one up to line {number}; "
                    "is a quote left open? else raise ingest_examples.max_record_bytes"
                )
            text = raw.removeprefix(_BOM) if offset == 0 else raw
            yield self._decode(text, number, offset + len(raw) - len(text))
            offset += len(raw)

    def _decode(self, raw: bytes, number: int, offset: int) -> str:
        nul = raw.find(b"\0")
        if nul >= 0:
            raise DataError(
                f"{self.path}:{number}: offset {offset + nul}: wanted text, got a NUL byte; "
                "is this a CSV file in UTF-8?"
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}:{number}: offset {offset + error.start}: wanted UTF-8, got byte {raw[error.start]:#x}; "
                "convert the file"
            ) from error


def header(records: Records, path: Location, options: ReadOptions) -> list[str]:
    """Read the names of the columns; EmptyDataset for a file without a record, DataError for an invalid header."""
    first = next(iter(records), None)
    if first is None:
        raise EmptyDataset(
            f"{path}: wanted a CSV file with a header, got no row at all; write the span again, or leave it out"
        )
    for column, name in enumerate(first.cells, 1):
        if not name:
            raise DataError(f"{path}:{first.line}:{column}: wanted a column's name in the header, got nothing")
        if name in first.cells[: column - 1]:
            raise DataError(
                f"{path}:{first.line}:{column}: wanted a header without repeats, got {name!r} again; "
                "rename or drop one of the columns"
            )
    if len(first.cells) == 1:
        _check_delimiter(first.cells[0], f"{path}:{first.line}", options.delimiter)
    return first.cells


def _check_delimiter(name: str, where: str, delimiter: str) -> None:
    """Raise DataError when the only column's name has another delimiter, which then is the file's."""
    other = next((one for one in _DELIMITERS if one != delimiter and one in name), None)
    if other is not None:
        shown = "tab" if other == "\t" else repr(other)
        raise DataError(
            f"{where}: wanted columns separated by {delimiter!r}, got one column, {name!r}, which contains {shown}: "
            f'if that is the delimiter, write ingest_examples.delimiter: "{other.encode("unicode_escape").decode()}"'
        )
