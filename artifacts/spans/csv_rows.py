"""Reads CSV files strictly: a cell that does not have the schema's type is an error with file, line and column.

The format is RFC 4180 in UTF-8, with or without a byte order mark; blank lines are skipped. Each different text of a
batch is parsed once, so strictness costs little.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.spans.feature_types import ARROW, FeatureType
from artifacts.spans.files import SourceFile, open_regular
from artifacts.spans.pattern import Location
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Fault, Rejects
from artifacts.spans.timestamps import check_names
from core.errors import DataError, EmptyDataset

_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"
"""Common delimiters of CSV files."""


def read(file: SourceFile, options: ReadOptions, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows as typed columns; a column that the schema does not have is text.

    Raises EmptyDataset for a file without rows, DataError with file, line and column for invalid content.
    """
    csv.field_size_limit(options.max_record_bytes)
    with open_regular(file.path) as stream:
        records = _Records(stream, file.path, options)
        header = _header(records, file.path, options)
        count = 0
        while rows := _rows(records, len(header), options.batch_rows, rejects):
            batch = _Columns(header, options).convert(rows, file.path, rejects)
            count += batch.num_rows
            yield batch
    if count == 0:
        raise EmptyDataset(
            f"{file.path}: wanted at least one row below the header, got none; write the span again, or leave it out"
        )


class _Row(NamedTuple):
    line: int
    cells: list[str]


class _Records:
    """Iterates over a file's records, with the line on which each starts."""

    def __init__(self, stream: BinaryIO, path: Location, options: ReadOptions) -> None:
        self.path = path
        self._stream = stream
        self._limit = options.max_record_bytes
        self._record_bytes = 0
        self._start = 1
        self._reader = csv.reader(self._lines(), strict=True, delimiter=options.delimiter)

    def __iter__(self) -> Iterator[_Row]:
        return self

    def __next__(self) -> _Row:
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
                return _Row(self._start, cells)

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


def _header(records: _Records, path: Location, options: ReadOptions) -> list[str]:
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


def _rows(records: _Records, width: int, limit: int, rejects: Rejects) -> list[_Row]:
    rows: list[_Row] = []
    for row in records:
        if len(row.cells) == width:
            rows.append(row)
            if len(rows) == limit:
                break
        else:
            rejects.add(
                Fault(row.line, 0, f"wanted {width} cells as in the header, got {len(row.cells)}"), records.path
            )
    return rows


@dataclass(frozen=True)
class _Columns:
    """Converts the cells of a batch, column by column."""

    header: list[str]
    options: ReadOptions

    def convert(self, rows: list[_Row], path: Location, rejects: Rejects) -> pa.RecordBatch:
        """Return typed columns of the valid rows; the others are rejected, in the order of the file."""
        faults: dict[int, Fault] = {}
        columns: dict[str, pa.Array] = {}
        cells_by_column = zip(*(row.cells for row in rows), strict=True)
        for position, (name, cells) in enumerate(zip(self.header, cells_by_column, strict=True), 1):
            if name in self.options.leave_out:
                continue
            features, invalid = self._column(name, cells)
            check_names(columns, features, f"{path}:1:{position}")
            columns |= features
            for row, reason in invalid.items():
                faults.setdefault(row, Fault(rows[row].line, position, reason))
        for row in sorted(faults):
            rejects.add(faults[row], path)
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        return batch.filter(pa.array([row not in faults for row in range(len(rows))])) if faults else batch

    def _column(self, name: str, cells: tuple[str, ...]) -> tuple[dict[str, pa.Array], dict[int, str]]:
        """Parse each different text once; return the column's features and, by row, the errors."""
        timestamp = self.options.timestamps.get(name)
        feature_type = self.options.types.get(name, FeatureType("BYTES"))
        parse = feature_type.parse if timestamp is None else timestamp.parse
        encoded = pa.array(cells, pa.string()).dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        values: list[int | float | bytes | None] = []
        invalid: dict[int, str] = {}
        for code, text in enumerate(texts):
            try:
                values.append(None if text in self.options.missing else parse(text))
            except ValueError as error:
                values.append(None)
                invalid[code] = f"column {name!r}: {error}"
        array = pa.array(values, ARROW[feature_type.name if timestamp is None else "INT"]).take(encoded.indices)
        features = {name: array} if timestamp is None else timestamp.features(name, array)
        if not invalid:
            return features, {}
        codes = encoded.indices.to_pylist()
        return features, {row: invalid[code] for row, code in enumerate(codes) if code in invalid}
