"""The flights of a month as requests, each with the time at which it is asked about and its label."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

YEAR = 2013


@dataclass(frozen=True)
class Batch:
    """The rows of one request."""

    request_id: str
    time_us: int
    """When it is asked, in microseconds since 1970."""
    rows: list[dict[str, Any]]
    """Raw features; one that a flight lacks is left out."""
    labels: list[int]


def start_of(month: int) -> int:
    """Return the start of a month of 2013 in microseconds since 1970; 13 is the January after it."""
    year, month = (YEAR, month) if month <= 12 else (YEAR + 1, month - 12)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000


def batches(path: Path, month: int, count: int, size: int) -> Iterator[Batch]:
    """Yield about `count` flights of a month's file in the order of the source, spread over the month."""
    table = pq.read_table(path)
    chosen = np.linspace(0, table.num_rows - 1, min(count, table.num_rows)).astype(int)
    rows = table.take(chosen).to_pylist()
    begin, length = start_of(month), start_of(month + 1) - start_of(month)
    for at in range(0, len(rows), size):
        batch = rows[at : at + size]
        labels = [int(row.pop("late")) for row in batch]
        known = [{name: value for name, value in row.items() if value is not None} for row in batch]
        yield Batch(f"{YEAR}-{month:02}-{at:06}", begin + length * at // len(rows), known, labels)


def auc(labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: the chance that a late flight scores above one that is not, ties half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    late = int(labels.sum())
    others = len(labels) - late
    return float((ranks[labels == 1].sum() - late * (late + 1) / 2) / (late * others))
