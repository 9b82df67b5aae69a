"""The raw features that a model is asked with: their types, whether they may be missing, and how a request says so."""

import json
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from core.errors import SchemaError, did_you_mean
from problems.labels import TrainedLabel

_DTYPES = {schema_pb2.FLOAT: tf.float32, schema_pb2.INT: tf.int64, schema_pb2.BYTES: tf.string}
_WORDS = {tf.float32: "float", tf.int64: "int", tf.string: "string"}
MISSING_INT = -1
"""A raw request gives every feature a number; in an optional one NaN, this and the empty string stand for no value."""


class RawFeature(NamedTuple):
    """One feature of a request."""

    name: str
    dtype: tf.DType
    required: bool
    shape: tuple[int, ...]
    """Of one row's value: () for a single value."""
    values: tuple[str, ...] = ()
    """The categories of the schema's domain; a server counts the others."""

    def spec(self) -> tf.TensorSpec:
        """Return the tensor that a raw request holds."""
        return tf.TensorSpec([None, *self.shape], self.dtype, name=self.name)

    def column_spec(self) -> tf.TensorSpec | tf.SparseTensorSpec:
        """Return the tensor that tf.Transform was given."""
        return (
            tf.TensorSpec([None, *(self.shape or (1,))], self.dtype)
            if self.required
            else tf.SparseTensorSpec([None, None], self.dtype)
        )

    def parser(self) -> tf.io.FixedLenFeature | tf.io.VarLenFeature:
        """Return how the feature is read from a tf.Example, as tf.Transform was given it."""
        return (
            tf.io.FixedLenFeature(self.shape or (1,), self.dtype) if self.required else tf.io.VarLenFeature(self.dtype)
        )

    def from_request(self, values: tf.Tensor) -> tf.Tensor | tf.SparseTensor:
        """Shape a request's tensor as tf.Transform was given it: a column, or a sparse one without the missing values."""
        if self.required:
            return values if self.shape else tf.expand_dims(values, 1)
        if self.dtype.is_floating:
            known = ~tf.math.is_nan(values)
        else:
            known = tf.not_equal(values, "" if self.dtype == tf.string else tf.constant(MISSING_INT, self.dtype))
        rows = tf.where(known)
        indices = tf.concat([rows, tf.zeros_like(rows)], axis=1)
        shape = tf.stack([tf.size(values, tf.int64), tf.constant(1, tf.int64)])
        return tf.SparseTensor(indices, tf.boolean_mask(values, known), shape)


def raw_features(schema: schema_pb2.Schema, label: str, weight: str | None = None) -> list[RawFeature]:
    """Return the features of a request in the schema's order, without label and weight.

    SchemaError when there is no such label or weight.
    """
    names = [feature.name for feature in schema.feature]
    if label not in names:
        raise SchemaError(f"the schema has no feature for problem.label {label!r}{did_you_mean(label, names)}")
    if weight is not None and weight not in names:
        raise SchemaError(f"the schema has no feature for problem.weight {weight!r}{did_you_mean(weight, names)}")
    skipped = (schema_pb2.DEPRECATED, schema_pb2.DISABLED)
    domains = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    return [
        _raw_feature(feature, domains)
        for feature in schema.feature
        if feature.name not in (label, weight) and feature.lifecycle_stage not in skipped
    ]


def write_features(path: Path, features: list[RawFeature], label: TrainedLabel) -> None:
    """Write `features.json`, by which a server checks requests."""
    listed = [
        {"name": feature.name, "dtype": _WORDS[feature.dtype], "required": feature.required, "values": feature.values}
        for feature in features
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"features": listed, "label": label.name, "task": label.task, "classes": label.classes}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _raw_feature(feature: schema_pb2.Feature, domains: dict[str, tuple[str, ...]]) -> RawFeature:
    if feature.type not in _DTYPES:
        raise SchemaError(
            f"feature {feature.name!r}: wanted the type INT, FLOAT or BYTES, got {schema_pb2.FeatureType.Name(feature.type)}"
        )
    values = domains.get(feature.domain, tuple(feature.string_domain.value))
    shape = tuple(int(dim.size) for dim in feature.shape.dim) if feature.HasField("shape") else ()
    return RawFeature(
        feature.name, _DTYPES[feature.type], feature.HasField("shape"), () if shape == (1,) else shape, values
    )
