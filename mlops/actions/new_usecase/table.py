"""Reads a CSV or Parquet file to describe its columns; a run reads the file again, strictly."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from core.errors import DataError, UsageError

FORMATS: Mapping[str, Literal["csv", "parquet"]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
}
DELIMITERS = (",", ";", "\t", "|")
ALWAYS_MISSING = frozenset({"NA", "N/A", "NaN", "nan", "null", "NULL"})
"""Cells that stand for a missing value wherever they occur."""
MISSING_AMONG_NUMBERS = frozenset({"?", "-", "--", "None", "none", "."})
"""Cells that stand for a missing value where every other cell of the column is a number."""


@dataclass(frozen=True)
class Table:
    """A file of rows, column by column."""

    path: Path
    format: Literal["csv", "parquet"]
    delimiter: str
    missing: tuple[str, ...]
    """Cells that stand for a missing value, the empty one first."""
    columns: Mapping[str, Sequence[Any]]
    """Column -> its values, None where one is missing; text in a CSV file."""

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))


def read_table(path: Path, delimiter: str | None = None) -> Table:
    """Read a file; UsageError for one that is neither CSV nor Parquet, DataError for one without rows."""
    if not path.is_file():
        raise UsageError(f"{path}: wanted a CSV or Parquet file, got no file")
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path}: wanted a name that ends with {', '.join(FORMATS)}, got {path.suffix or path.name!r}")
    table = _parquet(path) if kind == "parquet" else _csv(path, delimiter)
    if not table.columns or not table.rows:
        raise DataError(f"{path}: wanted a header and rows below it, got no rows")
    return table


def is_number(cell: str) -> bool:
    """Return whether a cell is a finite number."""
    try:
        return abs(float(cell)) < float("inf") and "_" not in cell
    except ValueError:
        return False


def _csv(path: Path, delimiter: str | None) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            delimiter = delimiter or _delimiter(stream.readline())
            stream.seek(0)
            header, *rows = csv.reader(stream, delimiter=delimiter)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: wanted UTF-8, got {error.reason} at byte {error.start}; save it as UTF-8") from None
    except ValueError:
        raise DataError(f"{path}: wanted a header and rows below it, got an empty file") from None
    if duplicate := next((name for name in header if header.count(name) > 1), None):
        raise DataError(f"{path}: wanted a header without repeats, got {duplicate!r} twice; rename one of the columns")
    full = [row for row in rows if len(row) == len(header)]
    cells = {name: [row[at] for row in full] for at, name in enumerate(header)}
    missing = ("", *sorted(_missing(cells)))
    columns = {name: [None if cell in missing else cell for cell in column] for name, column in cells.items()}
    return Table(path, "csv", delimiter, missing, columns)


def _delimiter(header: str) -> str:
    """Return the delimiter that a header has most often; a comma when it has none."""
    return max(DELIMITERS, key=header.count)


def _missing(cells: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the cells other than the empty one that stand for a missing value."""
    found: set[str] = set()
    for column in cells.values():
        values = set(column) - {""}
        found |= values & ALWAYS_MISSING
        odd = {cell for cell in values - ALWAYS_MISSING if not is_number(cell)}
        if odd and odd <= MISSING_AMONG_NUMBERS and odd < values:
            found |= odd
    return found


def _parquet(path: Path) -> Table:
    import pyarrow_hotfix  # noqa: F401, PLC0415 - a CSV file needs none of it
    import pyarrow.lib as pa_lib  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        columns = pq.read_table(path).to_pydict()
    except pa_lib.ArrowException as error:
        raise DataError(f"{path}: wanted a Parquet file, got {error}") from None
    return Table(path, "parquet", ",", ("",), columns)
