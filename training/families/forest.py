"""Boosted trees of scikit-learn as a Keras layer of plain TensorFlow operations."""

from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


class Trees(NamedTuple):
    """Binary decision trees as tables, padded to the largest tree; a leaf is its own child."""

    feature: npt.NDArray[np.int32]
    """[trees, nodes]: the column that a node compares."""
    threshold: npt.NDArray[np.float32]
    """[trees, nodes]: a row with at most this value goes left."""
    missing_left: npt.NDArray[np.bool_]
    """[trees, nodes]: whether a row with NaN goes left."""
    children: npt.NDArray[np.int32]
    """[trees, nodes, 2]: the nodes on the left and on the right."""
    value: npt.NDArray[np.float32]
    """[trees, nodes]: what a leaf adds."""
    outputs: npt.NDArray[np.int32]
    """[trees]: the output, from 0, that a tree adds to."""
    start: npt.NDArray[np.float32]
    """[outputs]: the sum before any tree."""
    depth: int
    """Steps from the root to the deepest leaf."""

    @property
    def values(self) -> int:
        """How many numbers the trees are: four of an inner node, one of a leaf."""
        inner = self.children[:, :, 0] != np.arange(self.children.shape[1])
        leaves = np.unique(self.children[inner].reshape(-1)).size
        return int(4 * inner.sum() + leaves + self.start.size)


class Forest(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Adds up the leaves that a row of a matrix reaches in every tree: [rows, columns] to [rows, outputs]."""

    def __init__(self, trees: Trees, **options: Any) -> None:
        super().__init__(trainable=False, **options)
        self._trees = trees

    def build(self, input_shape: Any) -> None:  # noqa: ARG002 - Keras' signature
        """Make a weight of each table, so that a warm start and a size see them."""
        one_hot = np.eye(self._trees.start.size, dtype=np.float32)[self._trees.outputs]
        tables = {
            "feature": self._trees.feature,
            "threshold": self._trees.threshold,
            "missing_left": self._trees.missing_left.astype(np.int32),
            "left": self._trees.children[:, :, 0],
            "right": self._trees.children[:, :, 1],
            "value": self._trees.value,
            "outputs": one_hot,
            "start": self._trees.start,
        }
        self._tables = {name: self._table(name, values) for name, values in tables.items()}
        self.built = True

    def _table(self, name: str, values: npt.NDArray[Any]) -> Any:
        return self.add_weight(
            name=name,
            shape=values.shape,
            dtype=str(values.dtype),
            initializer=lambda shape, dtype: tf.constant(values, dtype),  # noqa: ARG005 - Keras' signature
            trainable=False,
        )

    def call(self, matrix: Any) -> Any:
        """Walk all trees at once, a level a step."""
        tables = {name: tf.convert_to_tensor(table) for name, table in self._tables.items()}
        trees, nodes = self._trees.feature.shape
        roots = tf.range(trees, dtype=tf.int32) * nodes
        node = tf.zeros([tf.shape(matrix)[0], trees], tf.int32)
        flat = {name: tf.reshape(tables[name], [-1]) for name in ("feature", "threshold", "missing_left", "value")}
        children = {name: tf.reshape(tables[name], [-1]) for name in ("left", "right")}
        for _ in range(self._trees.depth):
            at = node + roots
            given = tf.gather(matrix, tf.gather(flat["feature"], at), batch_dims=1)
            is_left = tf.where(
                tf.math.is_nan(given),
                tf.gather(flat["missing_left"], at) > 0,
                given <= tf.gather(flat["threshold"], at),
            )
            node = tf.where(is_left, tf.gather(children["left"], at), tf.gather(children["right"], at))
        return tf.matmul(tf.gather(flat["value"], node + roots), tables["outputs"]) + tables["start"]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return [rows, outputs]."""
        return (input_shape[0], self._trees.start.size)


def trees_of(model: Any, most: int | None = None) -> Trees:
    """Return the trees of a fitted HistGradientBoosting model, or its first `most` iterations.

    Thresholds are rounded down to float32, so that a float32 value goes the same way as in scikit-learn.
    """
    iterations = model._predictors[:most]
    found = [(one.nodes, output) for trees in iterations for output, one in enumerate(trees)]
    start = np.asarray(model._baseline_prediction, np.float32).reshape(-1)
    size = max((len(nodes) for nodes, _ in found), default=1)
    trees = [_table(nodes, size) for nodes, _ in found] or [_table(_NOTHING, 1)]
    columns = [np.stack(column) for column in zip(*trees, strict=True)]
    depth = max((int(nodes["depth"].max()) for nodes, _ in found), default=0)
    outputs = np.array([output for _, output in found] or [0], np.int32)
    return Trees(columns[0], columns[1], columns[2], columns[3], columns[4], outputs, start, depth)


_NOTHING = np.zeros(
    1,
    [
        ("value", "f8"), ("feature_idx", "i8"), ("num_threshold", "f8"), ("missing_go_to_left", "u1"),
        ("left", "u4"), ("right", "u4"), ("depth", "u4"), ("is_leaf", "u1"), ("is_categorical", "u1"),
    ],
)  # fmt: skip
"""A tree that adds nothing."""


def _table(nodes: npt.NDArray[Any], size: int) -> tuple[npt.NDArray[Any], ...]:
    """Return the columns of one tree, padded to `size` nodes."""
    count = len(nodes)
    leaf = nodes["is_leaf"].astype(bool) | (nodes["left"] == nodes["right"])
    own = np.arange(size, dtype=np.int32)
    feature, threshold = np.zeros(size, np.int32), np.zeros(size, np.float32)
    missing, value = np.zeros(size, bool), np.zeros(size, np.float32)
    children = np.stack([own, own], axis=1)
    feature[:count] = np.where(leaf, 0, nodes["feature_idx"])
    threshold[:count] = np.where(leaf, 0, _rounded_down(nodes["num_threshold"]))
    missing[:count] = nodes["missing_go_to_left"].astype(bool)
    value[:count] = np.where(leaf, nodes["value"], 0)
    children[:count, 0] = np.where(leaf, own[:count], nodes["left"])
    children[:count, 1] = np.where(leaf, own[:count], nodes["right"])
    return feature, threshold, missing, children, value


def _rounded_down(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return the largest float32 that is not above each value."""
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    return np.where(near.astype(np.float64) > values, np.nextafter(near, np.float32(-np.inf)), near)
