"""`parity.jsonl`: raw rows with the candidate's raw output, to compare a server's predictions with.

Bytes that are not UTF-8 are `{"b64": ...}`, as in TensorFlow Serving's REST interface.
"""

import json
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artifacts.model.rows import Row
from artifacts.model.sampled_rows import sample_rows

PARITY = "parity.jsonl"


class ParityRow(NamedTuple):
    """One row as a client sends it, and the model's output."""

    instance: Row
    """Raw features by name: a value, or a list if rows can have several; a feature without a value is left out."""
    predictions: list[float | None]
    """The raw output of the model; None for NaN and infinity."""


def choose(batch: pa.RecordBatch, output: NDArray[Any], excluded: Collection[str], most: int) -> tuple[ParityRow, ...]:
    """Sample rows of a batch with their output, [rows] or [rows, columns], as `sample_rows` does."""
    sampled = sample_rows(batch, excluded, most)
    return tuple(
        ParityRow(row, [_finite(float(number)) for number in np.atleast_1d(output[index])])
        for index, row in zip(sampled.indices, sampled.rows, strict=True)
    )


def write(folder: Path, rows: Iterable[ParityRow]) -> None:
    """Write one row per line."""
    lines = (json.dumps(row._asdict(), allow_nan=False) + "\n" for row in rows)
    (folder / PARITY).write_text("".join(lines), encoding="utf-8")


def read(folder: Path, most: int) -> list[ParityRow]:
    """Read the first rows, at most `most`; OSError, ValueError, KeyError or TypeError for a missing or invalid file."""
    with (folder / PARITY).open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in islice(lines, most)]
    return [ParityRow(dict(entry["instance"]), list(entry["predictions"])) for entry in entries]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
