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
Values = NDArray[np.floating[Any]]
MISSING = -1


@dataclass
class Vocabulary:
    """The values of one feature, numbered as they come; grows over batches."""

    values: list[Any] = field(default_factory=list)
    _ids: dict[Any, int] = field(default_factory=dict)

    def add(self, codes: Codes, values: list[Any]) -> Codes:
        """Renumber one batch's codes into this vocabulary, new values at its end."""
        for value in values:
            if value not in self._ids:
                self._ids[value] = len(self.values)
                self.values.append(value)
        return self.look_up(codes, values)

    def look_up(self, codes: Codes, values: list[Any]) -> Codes:
        """Renumber one batch's codes into this vocabulary; a value that it does not know counts as missing."""
        table = np.array([*(self._ids.get(value, MISSING) for value in values), MISSING], np.int32)
        return table[codes]


def categories(batch: pa.RecordBatch, name: str) -> tuple[Codes, list[Any]]:
    """Number the values of any feature within one batch: a code per row (-1 where missing), and the values."""
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
    """Read a numeric feature, NaN where it is missing."""
    flat, present = _first_values(batch, name)
    values = np.full(batch.num_rows, np.nan)
    values[present] = flat.to_numpy(zero_copy_only=False)
    return values


def _first_values(batch: pa.RecordBatch, name: str) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return the values there are, and which rows have one; DataError when a row has several."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise ConfigError(
            f"config.yaml: evaluate_model names the feature {name!r}, which the schema does not have"
            f"{did_you_mean(name, batch.schema.names)}"
        )
    column = batch.column(index)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    if lengths.size and lengths.max() > 1:
        raise DataError(
            f"feature {name!r}: wanted at most one value a row to slice by or to key a rate table with, "
            f"got {lengths.max()}; take it out of evaluate_model.slices and evaluate_model.baselines"
        )
    return column.flatten(), lengths > 0
