"""Converts the rows of a request to the tensors of the signature `serving_default`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from artifacts.model.features import DType, Feature

Tensor = npt.NDArray[Any]
_PADDING: dict[DType, Any] = {"float32": 0.0, "int64": 0, "string": b""}


def tensors(feature: Feature, values: Sequence[Any]) -> dict[str, Tensor]:
    """Return the tensors of one feature by name.

    `values` has one entry per row: int, float or bytes; a (nested) list of those for a feature with a shape; None for a
    row that lacks the feature, if it is not required.
    """
    if not feature.count:
        absent = absent_value(feature)
        return {feature.tensor: array(feature.dtype, [absent if value is None else value for value in values])}
    if feature.is_list:
        lists = [[] if value is None else value for value in values]
        return padded(feature, np.array([len(row) for row in lists], np.int64), [v for row in lists for v in row])
    padding = _PADDING[feature.dtype]
    present = [value is not None for value in values]
    filled = values if all(present) else [padding if value is None else value for value in values]
    return {feature.tensor: array(feature.dtype, filled), feature.count: np.array(present, np.int64)}


def absent_value(feature: Feature) -> Any:
    """Return the value that means "missing" in a model without counts; strings as bytes."""
    stand_in = feature.stand_in
    return stand_in.encode() if isinstance(stand_in, str) else stand_in


def padding(feature: Feature) -> Any:
    """Return the value that stands where a row has none, in a model with counts."""
    return _PADDING[feature.dtype]


def array(dtype: DType, values: Sequence[Any]) -> Tensor:
    """Make an array of rows; strings stay Python bytes, because NumPy's would lose zeros at the end."""
    return np.array(values, object if dtype == "string" else dtype)


def padded(feature: Feature, counts: Tensor, values: Sequence[Any] | Tensor) -> dict[str, Tensor]:
    """Lay out the values of all rows, `counts` of them each, one row below the other.

    Rows are filled up to the longest one, at least to one value: JSON cannot say the type of no value.
    """
    width = int(counts.max(initial=1))
    dtype = object if feature.dtype == "string" else np.dtype(feature.dtype)
    filled = np.full((len(counts), width), _PADDING[feature.dtype], dtype)
    filled[np.arange(width) < counts[:, np.newaxis]] = values
    return {feature.tensor: filled, feature.count: counts}
