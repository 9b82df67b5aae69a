"""The TensorFlow types of raw features: in a request, in a tf.Example, and in tf.Transform."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.model.features import DType, Feature
from artifacts.model.schema_features import dimensions, schema_features

_DTYPES: dict[DType, tf.DType] = {"float32": tf.float32, "int64": tf.int64, "string": tf.string}


class RawFeature(NamedTuple):
    """One feature of a request."""

    feature: Feature
    fixed: tuple[int, ...] | None
    """Dimensions of every row's value by the schema; None for a feature that a row may lack or have several of."""

    @property
    def name(self) -> str:
        """The feature's own name."""
        return self.feature.name

    @property
    def dtype(self) -> tf.DType:
        """Type of its values."""
        return _DTYPES[self.feature.dtype]

    @property
    def may_be_dense(self) -> bool:
        """Whether a request has one value a row of it, and a count that says which rows have any."""
        return self.fixed is None and bool(self.feature.count) and not self.feature.is_list

    def request_specs(self) -> dict[str, tf.TensorSpec]:
        """Return the tensors of a raw request, by name."""
        values = self.feature.tensor
        specs = {values: tf.TensorSpec([None, *self.feature.shape], self.dtype, name=values)}
        if self.feature.count:
            specs[self.feature.count] = tf.TensorSpec([None], tf.int64, name=self.feature.count)
        return specs

    def column_spec(self) -> tf.TensorSpec | tf.SparseTensorSpec:
        """Return the tensor that tf.Transform takes."""
        if self.fixed is None:
            return tf.SparseTensorSpec([None, None], self.dtype)
        return tf.TensorSpec([None, *self.fixed], self.dtype)

    def parser(self) -> tf.io.FixedLenFeature | tf.io.VarLenFeature:
        """Return the parser of the feature in a tf.Example, for tf.Transform."""
        if self.fixed is None:
            return tf.io.VarLenFeature(self.dtype)
        return tf.io.FixedLenFeature(self.fixed, self.dtype)

    def from_example(self, parsed: tf.Tensor | tf.SparseTensor) -> tf.Tensor | tf.SparseTensor:
        """Return a parsed feature as a request has it: one value a row is one column, also where every row lacks it."""
        if self.fixed is not None or self.feature.is_list:
            return parsed
        return tf.SparseTensor(parsed.indices, parsed.values, tf.maximum(parsed.dense_shape, [0, 1]))

    def from_request(self, request: Mapping[str, Any]) -> tf.Tensor | tf.SparseTensor:
        """Shape a request's tensors as tf.Transform was given them; values beyond a row's count are left out."""
        values = request[self.feature.tensor]
        if self.fixed is not None:
            return tf.reshape(values, [-1, *self.fixed])
        counts = request[self.feature.count]
        if self.feature.is_list:
            return _of_lists(values, counts)
        # A third of the operations of the general way: a request of one row spends its time on their number.
        known = tf.where(tf.expand_dims(counts, 1) > 0)
        present = tf.gather_nd(tf.expand_dims(values, 1), known)
        # One value a row stays one column, also where every row lacks it.
        return tf.SparseTensor(known, present, tf.stack([tf.size(values, tf.int64), tf.constant(1, tf.int64)]))


def _of_lists(values: tf.Tensor, counts: tf.Tensor) -> tf.SparseTensor:
    """Return the first values of each row, `counts` of them; as wide as the longest row."""
    known = tf.sequence_mask(counts, tf.shape(values)[1])
    width = tf.reduce_max(tf.concat([counts, [0]], axis=0))
    shape = tf.stack([tf.shape(values, tf.int64)[0], width])
    return tf.SparseTensor(tf.where(known), tf.boolean_mask(values, known), shape)


def raw_features(schema: schema_pb2.Schema, label: str, weight: str | None = None) -> list[RawFeature]:
    """Return the features of a request in the schema's order; SchemaError as `schema_features`."""
    fixed = {feature.name: dimensions(feature) for feature in schema.feature}
    return [RawFeature(feature, fixed[feature.name]) for feature in schema_features(schema, label, weight)]
