"""What a model in memory answers to transformed rows, as its export would."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.rows import Block, Rows

_ROWS = 8192


class Predictions(NamedTuple):
    """The scores of rows beside their labels, all [rows] but for the scores of several classes."""

    labels: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    """[rows], or [rows, classes], as `problems` takes them."""
    weights: npt.NDArray[np.float64] | None
    """The weights of the rows in an evaluation, so without those of classes; None where all are 1."""


Answering = Callable[[Rows], npt.NDArray[np.float32]]
"""Returns a model's output for all rows in the order of `Rows.blocks`, [rows, K]."""


def answering(model: keras.Model, example: Block, finish: Callable[[tf.Tensor], tf.Tensor] = tf.identity) -> Answering:
    """Trace what a model answers to rows like `example`, once; it answers with the weights that it has when asked."""
    specs = {name: tf.TensorSpec([None, *values.shape[1:]], values.dtype) for name, values in example[0].items()}

    def answer(features: Any) -> tf.Tensor:
        found = model(features, training=False)
        return tf.cast(finish(tf.reshape(found, [tf.shape(found)[0], -1])), tf.float32)

    traced = tf.function(answer, input_signature=[specs], autograph=False)

    def answer_all(rows: Rows) -> npt.NDArray[np.float32]:
        found = []
        for block in rows.blocks():
            features, count = block[0], len(block[1])
            for start in range(0, count, _ROWS):
                found.append(traced({name: values[start : start + _ROWS] for name, values in features.items()}).numpy())
        return np.concatenate(found)

    return answer_all


def outputs(
    model: keras.Model, rows: Rows, finish: Callable[[tf.Tensor], tf.Tensor] = tf.identity
) -> npt.NDArray[np.float32]:
    """Return the model's output for all rows in the order of `Rows.blocks`, [rows, K], converted by `finish`."""
    return answering(model, rows.example(), finish)(rows)
