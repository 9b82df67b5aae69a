"""Reads CSV files strictly: a cell that does not have the schema's type is an error with file, line and column."""

import csv
from collections.abc import Iterator
from itertools import islice

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.spans import csv_blocks
from artifacts.spans.csv_cells import features, parsed
from artifacts.spans.csv_records import Records, Row, header
from artifacts.spans.files import SourceFile, open_regular
from artifacts.spans.pattern import Location
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Fault, Rejects
from artifacts.spans.timestamps import check_names
from core.errors import EmptyDataset


def read(file: SourceFile, options: ReadOptions, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows as typed columns; a column that the schema does not have is text.

    Raises EmptyDataset for a file without rows, DataError with file, line and column for invalid content.
    """
    batches = 0
    try:
        for batch in csv_blocks.read(file, options):
            yield batch
            batches += 1
    except csv_blocks.RowByRow:
        yield from by_row(file, options, rejects, skipped=batches * options.batch_rows)
    else:
        if not batches:
            raise _empty(file.path)


def by_row(file: SourceFile, options: ReadOptions, rejects: Rejects, *, skipped: int = 0) -> Iterator[pa.RecordBatch]:
    """Yield the rows after the first ones, all of which are valid, as `read` does; slower, and exact about problems."""
    csv.field_size_limit(options.max_record_bytes)
    with open_regular(file.path) as stream:
        records = Records(stream, file.path, options)
        names = header(records, file.path, options)
        count = sum(1 for _ in islice(records, skipped))
        while rows := _rows(records, len(names), options.batch_rows, rejects):
            batch = _batch(rows, names, options, file.path, rejects)
            count += batch.num_rows
            yield batch
    if count == 0:
        raise _empty(file.path)


def _empty(path: Location) -> EmptyDataset:
    return EmptyDataset(
        f"{path}: wanted at least one row below the header, got none; write the span again, or leave it out"
    )


def _rows(records: Records, width: int, limit: int, rejects: Rejects) -> list[Row]:
    rows: list[Row] = []
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


def _batch(rows: list[Row], names: list[str], options: ReadOptions, path: Location, rejects: Rejects) -> pa.RecordBatch:
    """Return typed columns of the valid rows; the others are rejected, in the order of the file."""
    faults: dict[int, Fault] = {}
    columns: dict[str, pa.Array] = {}
    cells_by_column = zip(*(row.cells for row in rows), strict=True)
    for position, (name, cells) in enumerate(zip(names, cells_by_column, strict=True), 1):
        if name in options.leave_out:
            continue
        encoded = pa.array(cells, pa.string()).dictionary_encode()
        values = parsed(name, encoded.dictionary, options)
        made = features(name, values.values.take(encoded.indices), options)
        check_names(columns, made, f"{path}:1:{position}")
        columns |= made
        codes = encoded.indices.to_pylist() if values.invalid else []
        for row in (row for row, code in enumerate(codes) if code in values.invalid):
            faults.setdefault(row, Fault(rows[row].line, position, values.invalid[codes[row]]))
    for row in sorted(faults):
        rejects.add(faults[row], path)
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return batch.filter(pa.array([row not in faults for row in range(len(rows))])) if faults else batch
