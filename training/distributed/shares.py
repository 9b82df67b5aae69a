"""The share of a process in a step: its gradient counts as much as it has rows, and its rows keep their own weights.

Keras divides the loss by the rows of this process and by the number of processes, and the optimizer adds up the
gradients of all. Weights of rows that made up for different numbers of rows would be seen by `weighted_metrics`, and by
a model's own `train_step`; a factor of the gradient is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from core.errors import TrainingError

_PER_ROW = ("sum_over_batch_size", "mean")
"""Reductions whose value of all rows is the mean of those of some rows, by their numbers."""


def check_losses(model: keras.Model) -> None:
    """Raise TrainingError for a loss that several processes cannot add up."""
    for loss in tf.nest.flatten(getattr(model, "loss", None)):
        reduction = getattr(loss, "reduction", _PER_ROW[0])
        if reduction not in _PER_ROW:
            raise TrainingError(
                f"build_model: wanted losses whose reduction is sum_over_batch_size, got {reduction} for {loss.name}; "
                "with others the loss over the rows of several processes is no mean of theirs: compile the model with "
                f"reduction='sum_over_batch_size', or leave out train_model.distribution"
            )


@contextmanager
def gradients_times(share: tf.Tensor) -> Iterator[None]:
    """Within the block, every optimizer of Keras multiplies its gradients before those of all processes are added."""
    before = keras.Optimizer.apply

    def apply(self: keras.Optimizer, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> Any:
        return before(self, [_times(gradient, share) for gradient in grads], trainable_variables)

    keras.Optimizer.apply = apply
    try:
        yield
    finally:
        del keras.Optimizer.apply  # it is inherited


def _times(gradient: Any, share: tf.Tensor) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        values = gradient.values * tf.cast(share, gradient.values.dtype)
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return gradient * tf.cast(share, gradient.dtype)
