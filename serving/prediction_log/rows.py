"""Turns answered requests of one version and signature into a record of columns, many requests at a time."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifacts.examples import message
from artifacts.model.features import Feature
from artifacts.model.request import absent_value
from artifacts.prediction_log import keys, names
from artifacts.prediction_log.columns import pack, row_keys
from artifacts.prediction_log.requests import Requests
from serving.prediction_log.answered import Answered, Waiting
from serving.prediction_log.layout import Layout
from serving.prediction_log.settings import LogSettings

_TYPES = {"float32": pa.float32(), "int64": pa.int64(), "string": pa.binary()}
_FIELDS = {"float32": "float_list", "int64": "int64_list", "string": "bytes_list"}
_KINDS = {"f": pa.float32(), "i": pa.int64(), "u": pa.int64(), "b": pa.int64(), "O": pa.binary(), "S": pa.binary()}
Values = npt.NDArray[Any]


def encode(
    batch: Sequence[Waiting], layout: Layout, settings: LogSettings, dropped: Mapping[str, int] = MappingProxyType({})
) -> tuple[bytes, int]:
    """Return the record of the rows that are sampled, and how many there are.

    The entries are of one version and signature, whose layout is given. `dropped` is noted in the record.
    """
    entries = [waiting.answered for waiting in batch]
    columns = {feature.name: column for feature, column in _features(entries, layout, settings.secret)}
    for output, name in layout.outputs:
        columns[name] = _output([entry.outputs[output] for entry in entries])
    key = [feature.name for feature in layout.key]
    counts = [waiting.rows for waiting in batch]
    if key and settings.rate < 1:
        columns, counts = _sampled(columns, counts, key, settings.rate)
    requests = Requests(
        entries[0].version,
        [entry.request_id for entry in entries],
        counts,
        [waiting.time_us for waiting in batch],
        [entry.role for entry in entries],
        key,
        dict(dropped),
    )
    return pack(requests, pa.RecordBatch.from_arrays([*columns.values()], [*columns])), sum(counts)


def without_rows(dropped: Mapping[str, int]) -> bytes:
    """Return a record that only notes what was dropped."""
    return pack(Requests(0, [], [], [], [], dropped=dict(dropped)), pa.RecordBatch.from_arrays([], []))


def _sampled(
    columns: dict[str, pa.Array], counts: Sequence[int], key: Sequence[str], rate: float
) -> tuple[dict[str, pa.Array], list[int]]:
    """Return the rows whose keys are sampled with their positions in the requests, and how many each request has."""
    is_taken = np.array([keys.is_sampled(one, rate) for one in row_keys([columns[name] for name in key])], bool)
    request = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    taken = columns | {names.ROW: pa.array(np.arange(len(request)) - first)}
    kept = {name: column.filter(pa.array(is_taken)) for name, column in taken.items()}
    return kept, np.bincount(request[is_taken], minlength=len(counts)).tolist()


def _features(entries: Sequence[Answered], layout: Layout, secret: bytes) -> Sequence[tuple[Feature, pa.Array]]:
    """Return the column of each feature that is logged, [rows]."""
    if layout.examples:
        records = [record for entry in entries for record in entry.columns[layout.examples].tolist()]
        found = _of_examples(records, layout.features)
    else:
        merged = _merged(entries)
        found = [(feature, merged.get(feature.name) or _of_tensors(entries, feature)) for feature in layout.features]
    return [(feature, _hashed(feature, column, secret)) for feature, column in found]


def _merged(entries: Sequence[Answered]) -> dict[str, pa.Array]:
    """Return the features that lie in blocks, which is quicker than one after the other."""
    lacking = set().union(*(entry.missing for entry in entries if entry.missing))
    found = {}
    for dtype, inputs in entries[0].signature.scalars.items():
        blocks = [entry.blocks[dtype] for entry in entries if dtype in entry.blocks]
        if len(blocks) < len(entries) or dtype not in _TYPES:
            continue
        for field, values in zip(inputs.fields, np.concatenate(blocks, axis=1), strict=True):
            if field.feature is not None and field.name not in lacking:
                found[field.name] = pa.array(values, _TYPES[dtype])
    return found


def _of_tensors(entries: Sequence[Answered], feature: Feature) -> pa.Array:
    kind = _TYPES[feature.dtype]
    if feature.shape:
        return pa.concat_arrays([_lists(entry, feature, kind) for entry in entries])
    values = np.concatenate([entry.columns[feature.tensor] for entry in entries]).reshape(-1)
    if feature.count:
        missing = np.concatenate([entry.columns[feature.count] for entry in entries]) == 0
        return pa.array(values, kind, mask=missing)
    if not feature.required:
        missing = np.isnan(values) if feature.dtype == "float32" else values == absent_value(feature)
        return pa.array(values, kind, mask=missing)
    return pa.array(values, kind)


def _lists(entry: Answered, feature: Feature, kind: pa.DataType) -> pa.Array:
    """Return the lists of a feature's values; what is beyond a row's count is padding."""
    tensor = entry.columns[feature.tensor]
    values = tensor.reshape(len(tensor), -1)
    width = values.shape[1]
    counts = np.full(len(tensor), width) if not feature.count else entry.columns[feature.count]
    if not feature.is_list and feature.count:
        counts = np.where(counts > 0, width, 0)
    flat = values[np.arange(width) < counts[:, np.newaxis]]
    return _list_array(counts, flat, kind)


def _list_array(counts: Values, flat: Values, kind: pa.DataType) -> pa.Array:
    """Return lists of so many values each; a row without a value is null, as one that lacks the feature."""
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    missing = np.append(counts == 0, False)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=missing), pa.array(flat, kind))


def _output(answers: Sequence[Values]) -> pa.Array:
    """Return an output: one number a row, or a flat list."""
    if len({values.shape[1:] for values in answers}) > 1:
        return pa.concat_arrays([_output([values]) for values in answers])
    values = np.concatenate(answers)
    kind = _KINDS[values.dtype.kind]
    flat = values.reshape(len(values), -1)
    if kind == pa.float32():
        flat = flat.astype(np.float32, copy=False)
    if flat.shape[1] == 1:
        return pa.array(flat[:, 0], kind)
    return _list_array(np.full(len(flat), flat.shape[1]), flat.reshape(-1), kind)


def _of_examples(records: Sequence[bytes], features: Sequence[Feature]) -> Sequence[tuple[Feature, pa.Array]]:
    """Read the features out of serialized tf.Examples; a value of another type than the feature's is left out."""
    parse = message.example_class().FromString
    given = [parse(record).context.feature for record in records]
    return [(feature, _of_messages(given, feature)) for feature in features]


def _of_messages(given: Sequence[Any], feature: Feature) -> pa.Array:
    kind, field = _TYPES[feature.dtype], _FIELDS[feature.dtype]
    found = [list(getattr(one[feature.name], field).value) if feature.name in one else [] for one in given]
    if feature.shape:
        return pa.array([values or None for values in found], pa.list_(kind))
    return pa.array([values[0] if values else None for values in found], kind)


def _hashed(feature: Feature, column: pa.Array, secret: bytes) -> pa.Array:
    """Replace the values of a personal feature by their hashes."""
    if feature.personal != "hash":
        return column
    replaced: Callable[[bytes, str, Any], Any] = keys.hashed_int if feature.dtype == "int64" else keys.hashed_text

    def hashed(value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, list):
            return [replaced(secret, feature.name, one) for one in value]
        return replaced(secret, feature.name, value)

    return pa.array([hashed(value) for value in column.to_pylist()], column.type)
