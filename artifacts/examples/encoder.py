"""Encodes Arrow columns as serialized tf.Examples, batch by batch, with the same bytes in every process.

The encoder of tfx_bsl is as fast, but writes the features of each record in an order that differs from process to
process: neither a hash of the record nor the digest of the shard would be stable. This one orders features by name.

A column becomes, row by row, the bytes of one entry of the map `Features.feature`; Arrow then joins the columns.
"""

import struct
from collections.abc import Callable
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# The field numbers of tf.Example: Example.features, Features.feature, its key and value, and the three lists of
# Feature.
_FIRST, _SECOND = b"\x0a", b"\x12"
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"


def encode(table: pa.RecordBatch) -> pa.Array:
    """Encode rows as a binary array of serialized tf.Examples, [rows].

    Columns are int64, float32 or binary, or lists of those; the record of a row with a null lacks the feature.
    """
    names = sorted(table.schema.names)
    entries = [_entries(name, table.column(table.schema.get_field_index(name))) for name in names]
    if not entries:
        return pa.array([b"\x0a\x00"] * table.num_rows, pa.binary())
    features = pc.binary_join_element_wise(*entries, b"")
    return pc.binary_join_element_wise(_per_length(features, lambda size: _FIRST + varint(size)), features, b"")


def varint(value: int) -> bytes:
    """Encode an integer as a protobuf varint; a negative one takes ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _per_length(values: pa.Array, write: Callable[[int], bytes]) -> pa.Array:
    """Return `write(length)` for each value, called once per different length."""
    lengths = pc.binary_length(values).dictionary_encode()
    return pa.array([write(size) for size in lengths.dictionary.to_pylist()], pa.binary()).take(lengths.indices)


def _entries(name: str, column: pa.Array) -> pa.Array:
    """Encode a column as map entries, empty where the value is null."""
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.array(
            [b"" if row is None else _entry(name, _feature(kind.value_type, row)) for row in column.to_pylist()],
            pa.binary(),
        )
    if pa.types.is_float32(kind):
        return _float_entries(name, column)
    return _dictionary_entries(name, column)


def _float_entries(name: str, column: pa.Array) -> pa.Array:
    """Append the four bytes of each value to the prefix, which is the same for all."""
    prefix = _entry(name, _feature(pa.float32(), [0.0]))[:-4]
    width = len(prefix) + 4
    rows: npt.NDArray[np.uint8] = np.empty((len(column), width), np.uint8)
    rows[:, :-4] = np.frombuffer(prefix, np.uint8)
    if column.null_count:
        rows[:, -4:] = pc.fill_null(column, 0.0).to_numpy().astype("<f4").view(np.uint8).reshape(-1, 4)
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        offsets = np.concatenate(([0], np.cumsum(valid) * width)).astype(np.int32)
        rows = np.ascontiguousarray(rows[valid])
    else:
        rows[:, -4:] = column.to_numpy().astype("<f4", copy=False).view(np.uint8).reshape(-1, 4)
        offsets = np.arange(0, width * len(column) + 1, width, np.int32)
    return pa.Array.from_buffers(pa.binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(rows)])


def _dictionary_entries(name: str, column: pa.Array) -> pa.Array:
    """Encode each different value once; what is in front of a value depends on its length alone."""
    kind, key = column.type, name.encode()
    encoded = column.dictionary_encode()
    different = encoded.dictionary
    values = _varints(different) if pa.types.is_int64(kind) else pc.cast(different, pa.binary())

    def front(size: int) -> bytes:
        feature = _feature_front(kind, size)
        entry = _FIRST + varint(len(key)) + key + _SECOND + varint(len(feature) + size) + feature
        return _FIRST + varint(len(entry) + size) + entry

    entries = pc.binary_join_element_wise(_per_length(values, front), values, b"")
    of_rows = entries.take(encoded.indices)
    return pc.fill_null(of_rows, b"") if of_rows.null_count else of_rows


def _feature_front(kind: pa.DataType, size: int) -> bytes:
    """Encode the message Feature up to its only value, which has so many bytes."""
    if pa.types.is_int64(kind):
        packed = _FIRST + varint(size)
        return _INT64_LIST + varint(len(packed) + size) + packed
    value = _FIRST + varint(size)
    return _BYTES_LIST + varint(len(value) + size) + value


def _varints(column: pa.Array) -> pa.Array:
    """Encode integers, none of them null, as protobuf varints."""
    values = column.to_numpy().view(np.uint64)
    groups = values[:, np.newaxis] >> np.arange(0, 70, 7, dtype=np.uint64)
    lengths = np.maximum((groups != 0).sum(axis=1), 1)
    is_used = np.arange(10) < lengths[:, np.newaxis]
    parts = (groups & np.uint64(0x7F)).astype(np.uint8)
    parts[:, :-1] |= np.where(is_used[:, 1:], np.uint8(0x80), np.uint8(0))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(column), [None, pa.py_buffer(offsets), pa.py_buffer(parts[is_used])])


def _entry(name: str, feature: bytes) -> bytes:
    key = name.encode()
    entry = _FIRST + varint(len(key)) + key + _SECOND + varint(len(feature)) + feature
    return _FIRST + varint(len(entry)) + entry


def _feature(kind: pa.DataType, values: list[Any]) -> bytes:
    """Encode the message Feature with one list of values."""
    if pa.types.is_float32(kind):
        field, packed = _FLOAT_LIST, struct.pack(f"<{len(values)}f", *values)
    elif pa.types.is_int64(kind):
        field, packed = _INT64_LIST, b"".join(varint(value) for value in values)
    else:
        strings = b"".join(_FIRST + varint(len(value)) + value for value in values)
        return _BYTES_LIST + varint(len(strings)) + strings
    values_field = _FIRST + varint(len(packed)) + packed
    return field + varint(len(values_field)) + values_field
