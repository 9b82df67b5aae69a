"""Reads CSV files in large blocks with Arrow, as far as that certainly gives what reading them row by row does.

Arrow takes more than RFC 4180 for a CSV file, so each block is checked first. A file with anything else in it, right or
wrong, is for `csv_rows`, which names the place of each problem.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Self

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from artifacts.spans.csv_cells import features, parsed
from artifacts.spans.csv_records import Records, header
from artifacts.spans.files import SourceFile, open_regular
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.timestamps import check_names

_BLOCK = 1 << 22
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
Positions = npt.NDArray[np.intp]


class RowByRow(Exception):
    """This file must be read row by row: it has something that Arrow may read differently, or that is wrong."""


def read(file: SourceFile, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Yield the rows as typed columns, `batch_rows` at a time.

    Raises RowByRow before the first batch that it cannot vouch for, DataError and EmptyDataset for an invalid header.
    """
    csv.field_size_limit(options.max_record_bytes)
    with open_regular(file.path) as stream:
        names = header(Records(stream, file.path, options), file.path, options)
        if not options.delimiter.isascii() or options.delimiter == "\0" or options.leave_out.issuperset(names):
            raise RowByRow
        blocks = (_Columns.of(block, names, options) for block in _blocks(stream, options))
        yield from _batches(blocks, options.batch_rows, f"{file.path}:1")


def _batches(blocks: "Iterator[_Columns]", count: int, header: str) -> Iterator[pa.RecordBatch]:
    """Divide blocks into batches of so many rows; the last one has the rest."""
    pieces: list[pa.RecordBatch] = []
    for block in blocks:
        start = 0
        while start < block.rows:
            piece = block.batch(start, count - sum(one.num_rows for one in pieces), header)
            start += piece.num_rows
            pieces.append(piece)
            if sum(one.num_rows for one in pieces) == count:
                yield _joined(pieces)
                pieces = []
    if pieces:
        yield _joined(pieces)


class _Block(NamedTuple):
    """Whole records, checked."""

    text: bytes
    has_lines_in_cells: bool


def _blocks(stream: BinaryIO, options: ReadOptions) -> Iterator[_Block]:
    """Yield blocks of records; none is of blank lines alone."""
    rest = b""
    while data := stream.read(_BLOCK):
        block = _checked(rest + data, options, is_last=False)
        rest = (rest + data)[len(block.text) :]
        if block.text.strip(b"\r\n"):
            yield block
    block = _checked(rest, options, is_last=True)
    if block.text.strip(b"\r\n"):
        yield block


def _checked(data: bytes, options: ReadOptions, *, is_last: bool) -> _Block:
    """Return the records that end in some data; RowByRow for what is not certainly read as it should be."""
    around = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    quotes = np.flatnonzero(around[1:-1] == _QUOTE) if b'"' in data else np.empty(0, np.intp)
    lines = np.flatnonzero(around[1:-1] == _NEWLINE)
    # Between an odd number of quotes and the next one, a line goes on.
    ends = lines[np.searchsorted(quotes, lines) % 2 == 0] if len(quotes) else lines
    end = len(data) if is_last else int(ends[-1]) + 1 if len(ends) else 0
    longest = np.diff(ends, prepend=-1, append=len(data) - 1).max(initial=0)
    if longest > options.max_record_bytes:
        raise RowByRow
    quotes = quotes[: np.searchsorted(quotes, end)]
    if len(quotes) and not _are_regular(around, quotes, ord(options.delimiter)):
        raise RowByRow
    text = data[:end]
    if b"\0" in text or (b"\r" in text and text.count(b"\r") != text.count(b"\r\n")):
        raise RowByRow
    try:
        text.isascii() or text.decode("utf-8")
    except UnicodeDecodeError:
        raise RowByRow from None
    return _Block(text, len(ends) < len(lines))


def _are_regular(around: npt.NDArray[np.uint8], quotes: Positions, delimiter: int) -> bool:
    """Whether every quote is around a cell or doubled inside of one; the content has a newline more at both ends."""
    if len(quotes) % 2:
        return False
    before, after = around[quotes[::2]], around[quotes[1::2] + 2]
    opens = (before == delimiter) | (before == _NEWLINE)
    opens[1:] |= quotes[1:-1:2] + 1 == quotes[2::2]
    closes = (after == delimiter) | (after == _NEWLINE) | (after == _RETURN) | (after == _QUOTE)
    return bool(opens.all() and closes.all())


class _Columns(NamedTuple):
    """A block's columns: of each, its place in the file, its different values, and which of them each row has."""

    rows: int
    encoded: dict[str, tuple[int, pa.Array, pa.Array]]
    options: ReadOptions

    @classmethod
    def of(cls, block: _Block, names: list[str], options: ReadOptions) -> Self:
        """Read a block; RowByRow for a cell without the schema's type, and for another number of cells."""
        wanted = [name for name in names if name not in options.leave_out]
        texts = pa.dictionary(pa.int32(), pa.string())
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block.text),
                arrow_csv.ReadOptions(column_names=names, block_size=len(block.text) + 1, use_threads=False),
                arrow_csv.ParseOptions(delimiter=options.delimiter, newlines_in_values=block.has_lines_in_cells),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, texts), include_columns=wanted, check_utf8=False
                ),
            )
        except pa.ArrowInvalid:
            raise RowByRow from None
        encoded = {}
        for name in wanted:
            (cells,) = table.column(name).chunks
            values = parsed(name, cells.dictionary, options)
            if values.invalid:
                raise RowByRow
            encoded[name] = (names.index(name) + 1, values.values, cells.indices)
        return cls(table.num_rows, encoded, options)

    def batch(self, start: int, count: int, header: str) -> pa.RecordBatch:
        """Return some rows, fewer at the end; DataError where a time's feature has another column's name."""
        columns: dict[str, pa.Array] = {}
        for name, (position, values, indices) in self.encoded.items():
            made = features(name, values.take(indices.slice(start, count)), self.options)
            check_names(columns, made, f"{header}:{position}")
            columns |= made
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _joined(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(pieces) == 1:
        return pieces[0]
    columns = zip(*(piece.columns for piece in pieces), strict=True)
    return pa.RecordBatch.from_arrays([pa.concat_arrays(column) for column in columns], pieces[0].schema.names)
