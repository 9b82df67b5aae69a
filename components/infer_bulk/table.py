"""The raw features of a batch as plain columns, for Parquet."""

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as kinds
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.model.schema_features import dimensions
from core.errors import DataError


def feature_columns(batch: pa.RecordBatch, schema: schema_pb2.Schema, first: int) -> dict[str, pa.Array]:
    """Return a column for each feature: values where rows have at most one, else lists.

    Bytes are text, unless the schema says that they are an image. Types depend on the schema alone, so all files have
    the same. Raises DataError for bytes that are no UTF-8; rows are numbered from `first` + 1.
    """
    columns = {}
    for feature in schema.feature:
        column = batch.column(batch.schema.get_field_index(feature.name))
        if kinds.is_large_binary(column.type.value_type) and not feature.HasField("image_domain"):
            column = _as_text(column, feature.name, first)
        columns[feature.name] = _single(column, feature.name, first) if _is_single(feature) else column
    return columns


def _is_single(feature: schema_pb2.Feature) -> bool:
    fixed = dimensions(feature)
    return fixed in {(), (1,)} if fixed is not None else bool(feature.value_count.max == 1)


def _single(column: pa.Array, name: str, first: int) -> pa.Array:
    counts = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
    if counts.max(initial=0) > 1:
        row = first + int(np.argmax(counts > 1)) + 1
        raise DataError(f"row {row}: feature {name!r}: wanted at most one value as the schema says, got several")
    at = np.cumsum(counts) - 1
    return column.flatten().take(pa.array(at, mask=counts == 0))


def _as_text(column: pa.Array, name: str, first: int) -> pa.Array:
    try:
        values = pc.cast(column.flatten(), pa.large_string())
    except pa.ArrowInvalid:
        raise DataError(
            f"rows {first + 1} to {first + len(column)}: feature {name!r}: wanted text in UTF-8, got other bytes; "
            "declare `image_domain {}` in the schema if they are no text, or leave parquet out of infer_bulk.outputs"
        ) from None
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    missing = np.append(column.is_null().to_numpy(zero_copy_only=False), False)
    return pa.LargeListArray.from_arrays(pa.array(offsets, mask=missing if column.null_count else None), values)
