"""`parity.jsonl`: raw rows with the candidate's raw output, for a server's answers to be compared with.

Bytes that are not UTF-8 stand as `{"b64": ...}`, as TensorFlow Serving's REST takes them.
"""

import base64
import json
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

PARITY = "parity.jsonl"


class ParityRow(NamedTuple):
    """One row as a client would send it, and the model's output."""

    instance: dict[str, Any]
    """Raw features by name: a value, or a list where rows can have several; absent where the row has none."""
    predictions: list[float | None]


def choose(batch: pa.RecordBatch, output: NDArray[Any], unseen: Collection[str], most: int) -> tuple[ParityRow, ...]:
    """Choose rows spread over a batch, half of them with missing features as far as there are such.

    `unseen` names features that a request does not have: the label, the weight.
    """
    names = [name for name in batch.schema.names if name not in unseen]
    columns = {name: batch.column(batch.schema.get_field_index(name)) for name in names}
    lengths = {
        name: pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        for name, column in columns.items()
    }
    empty = [length == 0 for length in lengths.values()]
    partial = np.logical_or.reduce(empty) if empty else np.zeros(batch.num_rows, bool)
    chosen = _spread(np.flatnonzero(partial), most // 2)
    chosen = np.sort(np.concatenate([chosen, _spread(np.flatnonzero(~partial), most - len(chosen))]))
    taken = {name: column.take(pa.array(chosen)).to_pylist() for name, column in columns.items()}
    several = {name for name, length in lengths.items() if length.size and length.max() > 1}
    rows = []
    for place, row in enumerate(chosen):
        instance = {name: _value(values[place], name in several) for name, values in taken.items() if values[place]}
        rows.append(ParityRow(instance, [_finite(float(number)) for number in np.atleast_1d(output[row])]))
    return tuple(rows)


def write(folder: Path, rows: Iterable[ParityRow]) -> None:
    """Write one row a line."""
    lines = (json.dumps(row._asdict(), allow_nan=False) + "\n" for row in rows)
    (folder / PARITY).write_text("".join(lines), encoding="utf-8")


def read(folder: Path, most: int) -> list[ParityRow]:
    """Read at most so many rows; OSError, ValueError, KeyError or TypeError for a file that is not what was written."""
    with (folder / PARITY).open(encoding="utf-8") as lines:
        entries = [json.loads(line) for line in islice(lines, most)]
    return [ParityRow(dict(entry["instance"]), list(entry["predictions"])) for entry in entries]


def _spread(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(np.intp))] if len(rows) and count else rows[:0]


def _value(values: list[Any], is_list: bool) -> Any:
    plain = [_text(value) if isinstance(value, bytes) else _finite(value) for value in values]
    return plain if is_list else plain[0]


def _text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
