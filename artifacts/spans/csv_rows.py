"""Reads CSV files strictly: every cell has the schema's type, or the error names file, line and column.

The rules are RFC 4180's, in UTF-8 with or without a byte order mark; a blank line is no row. Values are parsed once per
different text of a batch, so that being exact costs little.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.spans.feature_types import ARROW, FeatureType
from artifacts.spans.files import Place, SourceFile, open_regular
from core.errors import DataError, EmptyDataset

_BOM = b"\xef\xbb\xbf"


@dataclass
class Rejects:
    """Rows that are left out, with their reasons, up to a cap."""

    cap: int
    path: Path
    count: int = field(default=0, init=False)

    def add(self, fault: "Fault", path: Place) -> None:
        """Leave a row out; DataError when the cap is reached."""
        where = f"{path}:{fault.line}:{fault.column}" if fault.column else f"{path}:{fault.line}"
        if self.count >= self.cap:
            more = (
                f" ({self.cap} rows were left out before it, as ingest_examples.max_rejects allows)" if self.cap else ""
            )
            raise DataError(
                f"{where}: {fault.reason}{more}; correct the row, or allow rows to be left out by ingest_examples.max_rejects"
            )
        self.count += 1
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(
                json.dumps({"file": str(path), "line": fault.line, "column": fault.column, "reason": fault.reason})
                + "\n"
            )


class Fault(NamedTuple):
    """What is wrong with a row; the column counts from 1, 0 is the row as a whole."""

    line: int
    column: int
    reason: str


@dataclass(frozen=True)
class CsvOptions:
    """How a file is read."""

    missing: frozenset[str]
    max_record_bytes: int
    batch_rows: int


def read_csv(
    file: SourceFile, types: dict[str, FeatureType], options: CsvOptions, rejects: Rejects
) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows as typed columns; a column that the schema does not know is text.

    Raises EmptyDataset for a file without a row, DataError with file, line and column for anything that is not sound.
    """
    csv.field_size_limit(options.max_record_bytes)
    with open_regular(file.path) as stream:
        records = _Records(stream, file.path, options.max_record_bytes)
        header = _header(records, file.path)
        count = 0
        while rows := _rows(records, len(header), options.batch_rows, rejects):
            batch = _Columns(header, types, options.missing).convert(rows, file.path, rejects)
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

    def __init__(self, stream: BinaryIO, path: Place, limit: int) -> None:
        self.path = path
        self._stream = stream
        self._limit = limit
        self._record_bytes = 0
        self._start = 1
        self._reader = csv.reader(self._lines(), strict=True)

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
                    f"{self.path}:{self._start}: wanted a record of at most {self._limit} bytes, got a longer one up to line {number}; "
                    "is a quote left open? else raise ingest_examples.max_record_bytes"
                )
            text = raw.removeprefix(_BOM) if offset == 0 else raw
            yield self._decode(text, number, offset + len(raw) - len(text))
            offset += len(raw)

    def _decode(self, raw: bytes, number: int, offset: int) -> str:
        nul = raw.find(b"\0")
        if nul >= 0:
            raise DataError(
                f"{self.path}:{number}: offset {offset + nul}: wanted text, got a NUL byte; is this a CSV file in UTF-8?"
            )
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}:{number}: offset {offset + error.start}: wanted UTF-8, got byte {raw[error.start]:#x}; convert the file"
            ) from error


def _header(records: _Records, path: Place) -> list[str]:
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
                f"{path}:{first.line}:{column}: wanted a header without repeats, got {name!r} again; rename or drop one of the columns"
            )
    return first.cells


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
    types: dict[str, FeatureType]
    missing: frozenset[str]

    def convert(self, rows: list[_Row], path: Place, rejects: Rejects) -> pa.RecordBatch:
        """Return typed columns without the rows that hold a fault; those are rejected in the order of the file."""
        faults: dict[int, Fault] = {}
        columns = []
        for position, (name, cells) in enumerate(
            zip(self.header, zip(*(row.cells for row in rows), strict=True), strict=True), 1
        ):
            array, bad = self._column(name, cells)
            columns.append(array)
            for row, reason in bad.items():
                faults.setdefault(row, Fault(rows[row].line, position, reason))
        for row in sorted(faults):
            rejects.add(faults[row], path)
        batch = pa.RecordBatch.from_arrays(columns, self.header)
        return batch.filter(pa.array([row not in faults for row in range(len(rows))])) if faults else batch

    def _column(self, name: str, cells: tuple[str, ...]) -> tuple[pa.Array, dict[int, str]]:
        """Parse each different text once; return the column and, by row, what could not be parsed."""
        kind = self.types.get(name, FeatureType("BYTES"))
        encoded = pa.array(cells, pa.string()).dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        values: list[int | float | bytes | None] = []
        wrong: dict[int, str] = {}
        for code, text in enumerate(texts):
            try:
                values.append(None if text in self.missing else kind.parse(text))
            except ValueError as error:
                values.append(None)
                wrong[code] = f"column {name!r}: {error}"
        array = pa.array(values, ARROW[kind.kind]).take(encoded.indices)
        if not wrong:
            return array, {}
        return array, {row: wrong[code] for row, code in enumerate(encoded.indices.to_pylist()) if code in wrong}
