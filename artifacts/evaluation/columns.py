"""Reads single-valued features out of the record batches that tf.Examples are decoded into."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.errors import ConfigError, DataError, did_you_mean

Codes = NDArray[np.int32]
"""[rows]: the number of each row's value in a vocabulary, or MISSING."""
Values = NDArray[np.floating[Any]]
MISSING = -1


@dataclass
class Vocabulary:
    """The values of one feature, numbered in the order of their first appearance; grows over batches."""

    values: list[Any] = field(default_factory=list)
    _ids: dict[Any, int] = field(default_factory=dict)

    def add(self, codes: Codes, values: list[Any]) -> Codes:
        """Translate one batch's codes, which number `values`, to this vocabulary's; new values are appended."""
        for value in values:
            if value not in self._ids:
                self._ids[value] = len(self.values)
                self.values.append(value)
        return self.look_up(codes, values)

    def look_up(self, codes: Codes, values: list[Any]) -> Codes:
        """Translate one batch's codes, which number `values`, to this vocabulary's; an unknown value is MISSING."""
        table = np.array([*(self._ids.get(value, MISSING) for value in values), MISSING], np.int32)
        return table[codes]


def categories(batch: pa.RecordBatch, name: str) -> tuple[Codes, list[Any]]:
    """Number the values of a feature within one batch: return a code per row (MISSING without a value), and the values.

    Raises ConfigError for an unknown feature, DataError when a row has several values.
    """
    flat, present = _first_values(batch, name)
    encoded = pc.dictionary_encode(flat)
    codes = np.full(batch.num_rows, MISSING, np.int32)
    codes[present] = encoded.indices.to_numpy(zero_copy_only=False)
    values = [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for value in encoded.dictionary.to_pylist()
    ]
    return codes, values


def numbers(batch: pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """Read a numeric feature, [rows], NaN where it is missing; raises as `categories` does."""
    flat, present = _first_values(batch, name)
    values = np.full(batch.num_rows, np.nan)
    values[present] = flat.to_numpy(zero_copy_only=False)
    return values


def _first_values(batch: pa.RecordBatch, name: str) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return the values of the rows that have one, and a mask of those rows."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise ConfigError(
            f"config.yaml: evaluate_model: wanted a feature of the schema, got {name!r}"
            f"{did_you_mean(name, batch.schema.names)}"
        )
    column = batch.column(index)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    if lengths.size and lengths.max() > 1:
        raise DataError(
            f"feature {name!r}: wanted at most one value a row to slice by or as a key of a rate table, "
            f"got {lengths.max()}; remove it from evaluate_model.slices and evaluate_model.baselines"
        )
    return column.flatten(), lengths > 0
