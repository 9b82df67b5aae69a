"""Rows that lie at the ends of the schema, beyond it, or lack what a row may lack."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

_HUGE = 1e30
_LONG = "x" * 10_000


def extreme(row: Mapping[str, Any], features: Sequence[schema_pb2.Feature]) -> Iterator[dict[str, Any]]:
    """Yield copies of a raw row with one feature at an end of its range, beyond it, unknown or missing."""
    for feature in features:
        name = feature.name
        for value in _values(feature):
            yield dict(row) | {name: value}
        if feature.presence.min_fraction < 1:
            yield {key: value for key, value in row.items() if key != name}
    everything = {feature.name: next(iter(_values(feature)), row.get(feature.name)) for feature in features}
    yield {name: value for name, value in everything.items() if value is not None}
    required = {feature.name for feature in features if feature.presence.min_fraction == 1}
    yield {name: value for name, value in row.items() if name in required}


def _values(feature: schema_pb2.Feature) -> list[Any]:
    if feature.type == schema_pb2.FLOAT:
        domain = feature.float_domain
        return [domain.min, domain.max, 0.0, -0.0, _HUGE, -_HUGE, 1e-40]
    if feature.type == schema_pb2.INT:
        domain = feature.int_domain
        return [domain.min, domain.max, 2**31 - 1, -(2**31)]
    if feature.WhichOneof("domain_info") == "image_domain":
        return []  # what is no image is refused, not answered
    return ["", "no such value", _LONG]


def serialized(row: Mapping[str, Any], features: Sequence[schema_pb2.Feature]) -> bytes:
    """Return a raw row as a serialized tf.Example."""
    types = {feature.name: feature.type for feature in features}
    example = tf.train.Example()
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[name]
        if types[name] == schema_pb2.FLOAT:
            feature.float_list.value.extend(values)
        elif types[name] == schema_pb2.INT:
            feature.int64_list.value.extend(values)
        else:
            feature.bytes_list.value.extend(map(_bytes, values))
    return bytes(example.SerializeToString())


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value if isinstance(value, bytes) else str(value).encode()
