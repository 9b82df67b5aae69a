"""Converts Arrow columns of many rows to the tensors of the signature `serving_default`."""

import math

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as kinds

from artifacts.model.features import Feature
from artifacts.model.request import Tensor, absent_value, padded, padding
from core.errors import DataError


def tensors(feature: Feature, column: pa.Array | None, rows: int, first: int = 0) -> dict[str, Tensor]:
    """Return the tensors of one feature by name, as `artifacts.model.request.tensors` does for lists of values.

    `column` has a value or a list of values per row, null where a row lacks the feature; None when no row has it.
    Rows are numbered from `first` + 1 in errors. Raises DataError for another type, and for a row with a number of
    values that the feature cannot have.
    """
    counts, values = _counted(column, rows)
    _check_type(feature, values)
    flat = values.to_numpy(zero_copy_only=False)
    if feature.is_list:
        return padded(feature, counts, flat)
    shape = tuple(size or 0 for size in feature.shape)
    _check_counts(feature, counts, math.prod(shape), first)
    dtype = object if feature.dtype == "string" else np.dtype(feature.dtype)
    present = counts > 0
    if present.all():
        filled = np.asarray(flat, dtype).reshape(rows, *shape)
    else:
        filled = np.full((rows, *shape), padding(feature) if feature.count else absent_value(feature), dtype)
        filled[present] = flat.reshape(-1, *shape)
    return {feature.tensor: filled} | ({feature.count: present.astype(np.int64)} if feature.count else {})


def _counted(column: pa.Array | None, rows: int) -> tuple[Tensor, pa.Array]:
    """Return the number of values of each row, and the values of all rows."""
    if column is None:
        return np.zeros(rows, np.int64), pa.nulls(0)
    if kinds.is_list(column.type) or kinds.is_large_list(column.type):
        counts = pc.fill_null(pc.list_value_length(column), 0)
        return np.asarray(counts.to_numpy(zero_copy_only=False), np.int64), column.flatten()
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    return valid.astype(np.int64), column.drop_null()


def _check_type(feature: Feature, values: pa.Array) -> None:
    got = values.type
    if not len(values):
        return
    is_bytes = kinds.is_binary(got) or kinds.is_large_binary(got)
    fits = {"string": is_bytes, "int64": kinds.is_int64(got), "float32": kinds.is_float32(got)}
    if not fits[feature.dtype]:
        raise DataError(
            f"feature {feature.name!r}: the model wants {feature.dtype}, got {got}; "
            "correct the data, or choose the version that was trained on such data"
        )


def _check_counts(feature: Feature, counts: Tensor, wanted: int, first: int) -> None:
    wrong = (counts != wanted) & ((counts != 0) | feature.required)
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    optional = "" if feature.required else " or none"
    raise DataError(
        f"row {first + at + 1}: feature {feature.name!r}: wanted {wanted} value{'s'[: wanted != 1]}{optional}, "
        f"got {counts[at]} ({int(wrong.sum())} such rows in this batch); correct it where the data is written"
    )
