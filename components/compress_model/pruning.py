"""Magnitude pruning: masks that a polynomial schedule makes sparser while the model is trained."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from components.compress_model.config import Pruning
from core.errors import TrainingError


def prunable(model: keras.Model, min_weights: int) -> list[keras.Variable]:
    """Return the matrices and kernels that are pruned; TrainingError when there is none."""
    found = [
        weight for weight in model.trainable_weights if len(weight.shape) >= 2 and np.prod(weight.shape) >= min_weights
    ]
    if not found:
        largest = max(
            (int(np.prod(weight.shape)) for weight in model.trainable_weights if len(weight.shape) >= 2), default=0
        )
        raise TrainingError(
            f"compress_model.pruning: wanted a matrix or kernel of {min_weights} weights or more, got none (the "
            f"largest has {largest}); lower min_weights, or leave out the pruned variants"
        )
    return found


class Masks:
    """The masks of a training; `after_step` is traced into it."""

    def __init__(self, weights: Sequence[keras.Variable], schedule: Pruning, steps: int) -> None:
        """Start with masks of ones; `steps` is the number of optimizer steps of the training."""
        self._weights, self._schedule = list(weights), schedule
        self._last = max(1, int(steps * schedule.ends))
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._masks = [tf.Variable(tf.ones(weight.shape), trainable=False) for weight in self._weights]

    def after_step(self) -> None:
        """Renew the masks every few steps, and set the masked weights to 0 after each."""
        is_due = tf.logical_and(self._step % self._schedule.every == 0, self._step <= self._last)
        is_due = tf.logical_or(is_due, tf.equal(self._step, self._last))
        tf.cond(is_due, self._renew, lambda: None)
        self.apply()
        self._step.assign_add(1)

    def apply(self) -> None:
        """Set the masked weights to 0."""
        for weight, mask in zip(self._weights, self._masks, strict=True):
            weight.assign(weight.value * mask)

    def _renew(self) -> None:
        share = sparsity(self._schedule, tf.cast(self._step, tf.float32) / float(self._last))
        for weight, mask in zip(self._weights, self._masks, strict=True):
            size = int(np.prod(weight.shape))
            magnitudes = tf.sort(tf.reshape(tf.abs(weight.value), [-1]))
            pruned = tf.cast(tf.round(share * size), tf.int32)
            threshold = magnitudes[tf.maximum(pruned - 1, 0)]
            mask.assign(tf.cast(tf.logical_and(tf.abs(weight.value) > threshold, pruned > 0), tf.float32))


def sparsity(schedule: Pruning, done: tf.Tensor) -> tf.Tensor:
    """Return the share of weights to prune when a share `done` of the schedule has passed, both from 0 to 1."""
    left = (1.0 - tf.minimum(done, 1.0)) ** schedule.power
    return schedule.final_sparsity + (schedule.initial_sparsity - schedule.final_sparsity) * left
