"""Reads CSV files strictly: every cell has the schema's type, or the error names file, line and column.

The rules are RFC 4180's, in UTF-8 with or without a byte order mark; a blank line is no row. Values are parsed once per
different text of a batch, so that being exact costs little.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.spans.feature_types import ARROW, FeatureType
from artifacts.spans.files import SourceFile, open_regular
from artifacts.spans.pattern import Place
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Fault, Rejects
from artifacts.spans.timestamps import check_names
from core.errors import DataError, EmptyDataset

_BOM = b"\xef\xbb\xbf"


_DELIMITERS = ",;\t|"
"""What separates the cells of files that people call CSV."""


def read(file: SourceFile, options: ReadOptions, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows as typed columns; a column that the schema does not know is text.

    Raises EmptyDataset for a file without a row, DataError with file, line and column for anything that is not sound.
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
    """Iterates over a file's records and knows the line that each starts on."""

    def __init__(self, stream: BinaryIO, path: Place, options: ReadOptions) -> None:
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
        """Yield decoded lines; the one that breaks a rule is named by its number and its offset in the file."""
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


def _header(records: _Records, path: Place, options: ReadOptions) -> list[str]:
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
    """One column whose name holds a delimiter is a file that is separated by that one."""
    other = next((one for one in _DELIMITERS if one != delimiter and one in name), None)
    if other is not None:
        shown = "tab" if other == "\t" else repr(other)
        raise DataError(
            f"{where}: wanted columns separated by {delimiter!r}, got one column, {name!r}, which holds {shown}: "
            f'is that the delimiter? then write ingest_examples.delimiter: "{other.encode("unicode_escape").decode()}"'
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

    def convert(self, rows: list[_Row], path: Place, rejects: Rejects) -> pa.RecordBatch:
        """Return typed columns without the rows that hold a fault; those are rejected in the order of the file."""
        faults: dict[int, Fault] = {}
        columns: dict[str, pa.Array] = {}
        cells_by_column = zip(*(row.cells for row in rows), strict=True)
        for position, (name, cells) in enumerate(zip(self.header, cells_by_column, strict=True), 1):
            if name in self.options.leave_out:
                continue
            found, bad = self._column(name, cells)
            check_names(columns, found, f"{path}:1:{position}")
            columns |= found
            for row, reason in bad.items():
                faults.setdefault(row, Fault(rows[row].line, position, reason))
        for row in sorted(faults):
            rejects.add(faults[row], path)
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        return batch.filter(pa.array([row not in faults for row in range(len(rows))])) if faults else batch

    def _column(self, name: str, cells: tuple[str, ...]) -> tuple[dict[str, pa.Array], dict[int, str]]:
        """Parse each different text once; return what the column becomes and, by row, what could not be parsed."""
        timestamp = self.options.timestamps.get(name)
        kind = self.options.types.get(name, FeatureType("BYTES"))
        parse = kind.parse if timestamp is None else timestamp.parse
        encoded = pa.array(cells, pa.string()).dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        values: list[int | float | bytes | None] = []
        wrong: dict[int, str] = {}
        for code, text in enumerate(texts):
            try:
                values.append(None if text in self.options.missing else parse(text))
            except ValueError as error:
                values.append(None)
                wrong[code] = f"column {name!r}: {error}"
        array = pa.array(values, ARROW[kind.kind if timestamp is None else "INT"]).take(encoded.indices)
        found = {name: array} if timestamp is None else timestamp.features(name, array)
        if not wrong:
            return found, {}
        return found, {row: wrong[code] for row, code in enumerate(encoded.indices.to_pylist()) if code in wrong}
