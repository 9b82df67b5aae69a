"""Raw rows with the candidate's predictions, for a server's answers to be compared with."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.evaluate_model.columns import Values
from components.evaluate_model.config import Config


def parity_rows(batch: pa.RecordBatch, predictions: Values, config: Config) -> tuple[dict[str, Any], ...]:
    """Choose rows spread over a batch, half of them with missing features as far as there are such; the label is left out."""
    names = [name for name in batch.schema.names if name != config.label]
    columns = {name: batch.column(batch.schema.get_field_index(name)) for name in names}
    lengths = [
        pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False) for column in columns.values()
    ]
    partial = np.logical_or.reduce([length == 0 for length in lengths]) if lengths else np.zeros(batch.num_rows, bool)
    chosen = _spread(np.flatnonzero(partial), config.parity_examples // 2)
    chosen = np.sort(np.concatenate([chosen, _spread(np.flatnonzero(~partial), config.parity_examples - len(chosen))]))
    taken = {name: column.take(pa.array(chosen)).to_pylist() for name, column in columns.items()}
    rows = []
    for place, row in enumerate(chosen):
        instance = {name: _value(values[place]) for name, values in taken.items() if values[place]}
        rows.append(
            {"instance": instance, "predictions": [_finite(float(score)) for score in np.atleast_1d(predictions[row])]}
        )
    return tuple(rows)


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one row a line."""
    path.write_text("".join(json.dumps(row, allow_nan=False) + "\n" for row in rows), encoding="utf-8")


def _spread(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(np.intp))] if len(rows) and count else rows[:0]


def _value(values: list[Any]) -> Any:
    decoded = [value.decode("utf-8", "replace") if isinstance(value, bytes) else _finite(value) for value in values]
    return decoded[0] if len(decoded) == 1 else decoded


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
