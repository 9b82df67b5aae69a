"""`parity.jsonl`: raw rows with the candidate's raw output, for a server's answers to be compared with.

Bytes that are not UTF-8 stand as `{"b64": ...}`, as TensorFlow Serving's REST takes them.
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
    """One row as a client would send it, and the model's output."""

    instance: Row
    """Raw features by name: a value, or a list where rows can have several; absent where the row has none."""
    predictions: list[float | None]


def choose(batch: pa.RecordBatch, output: NDArray[Any], excluded: Collection[str], most: int) -> tuple[ParityRow, ...]:
    """Choose rows spread over a batch, half of them with missing features as far as there are such.

    `excluded` names features that a request does not have: the label, the weight.
    """
    sampled = sample_rows(batch, excluded, most)
    return tuple(
        ParityRow(row, [_finite(float(number)) for number in np.atleast_1d(output[place])])
        for place, row in zip(sampled.places, sampled.rows, strict=True)
    )


def write(folder: Path, rows: Iterable[ParityRow]) -> None:
    """Write one row a line."""
    lines = (json.dumps(row._asdict(), allow_nan=False) + "\n" for row in rows)
    (folder / PARITY).write_text("".join(lines), encoding="utf-8")


def read(folder: Path, most: int) -> list[ParityRow]:
    """Read at most so many rows; OSError, ValueError, KeyError or TypeError for a file that is not what was written."""
    with (folder / PARITY).open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in islice(lines, most)]
    return [ParityRow(dict(entry["instance"]), list(entry["predictions"])) for entry in entries]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
