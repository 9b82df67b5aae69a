"""Fits a compiled Keras model to rows: early stopping, checkpoints, and a stop at the first loss that is NaN."""

import logging
import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from components.train_model.config import Config
from components.train_model.rows import Block, Order, Rows
from components.train_model.state import TrainingState
from core.errors import TrainingError
from core.problem import Task
from problems import kind

log = logging.getLogger(__name__)
Step = Callable[[Any], dict[str, Any]]
"""Keras' `train_step` or `test_step`."""


class Fitted(NamedTuple):
    """The result of a training."""

    history: dict[str, list[float]]
    """Per epoch, by Keras' names: `loss`, `val_loss` and the model's own metrics."""
    best_epoch: int
    """Counted from 1; the epoch whose weights were kept."""


def seed_everything(config: Config) -> None:
    """Seed Keras, NumPy and Python, make TensorFlow deterministic if configured, and reset the names of layers."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()


def check_labels(rows: Rows, split: str, task: Task, width: int | None) -> None:
    """Raise TrainingError for no rows, or labels that cannot be trained on; `width` is the number of outputs."""
    if not len(rows):
        raise TrainingError(f"wanted rows in the split {split!r}, got none; widen ingest_examples.window")
    fault = kind(task).label_fault(rows.labels, width) if split == "train" else ""
    if fault:
        raise TrainingError(f"{rows.label} in the split {split!r}: {fault}")


def fit(model: keras.Model, training: Rows, validation: Rows, config: Config, checkpoint: Path) -> Fitted:
    """Train until the validation loss no longer decreases; the model then has the best epoch's weights.

    TensorFlow gets large blocks of rows and splits them into batches in a function that is traced once. Training
    continues from the checkpoint if there is one. Raises TrainingError at the first batch whose loss is not finite.
    """
    order = Order(config.seed, config.shuffle_rows)
    _build(model, training)
    train_block, test_block = (_traced(step, training.example()) for step in (model.train_step, model.test_step))
    state = TrainingState.read(checkpoint, model) if config.checkpoints else TrainingState()
    while len(state.losses) < config.epochs and not state.is_over(config.early_stopping):
        epoch = len(state.losses)
        numbers = _numbers(model, train_block, training.shuffled(order, epoch), config.batch_size, f"epoch {epoch + 1}")
        tested = _numbers(
            model, test_block, validation.blocks(), config.read_rows, f"the validation after epoch {epoch + 1}"
        )
        numbers = _meaningful(numbers, training)
        numbers |= {f"val_{name}": value for name, value in _meaningful(tested, validation).items()}
        state.add(numbers, model)
        log.info("epoch %d: %s", epoch + 1, ", ".join(f"{name} {value:.4f}" for name, value in numbers.items()))
        if config.checkpoints:
            state.write(checkpoint, model)
    state.restore_best(model)
    if not all(np.isfinite(weight.numpy()).all() for weight in model.weights):
        raise TrainingError("wanted finite weights after the last epoch, got NaN or infinity; lower the learning rate")
    return Fitted(state.history, state.best_epoch)


def _meaningful(numbers: dict[str, float], rows: Rows) -> dict[str, float]:
    """Return the loss alone for probabilistic labels: Keras' metrics ignore the weights of rows."""
    return {"loss": numbers["loss"]} if rows.is_soft else numbers


def _build(model: keras.Model, rows: Rows) -> None:
    """Create the variables of optimizer and metrics, which a traced function must not create."""
    model.optimizer.build(model.trainable_variables)
    model.test_step(tf.nest.map_structure(tf.constant, rows.example()))


def _traced(step: Step, example: Block) -> Callable[..., tf.Tensor]:
    """Make a function that runs a step over blocks of any number of rows, traced once.

    The loop is AutoGraph's; the step is not converted, as in Keras' `fit`.
    """
    specs = tf.nest.map_structure(lambda values: tf.TensorSpec([None, *values.shape[1:]], values.dtype), example)
    unconverted = tf.autograph.experimental.do_not_convert(step)
    traced: Callable[..., tf.Tensor] = tf.function(
        partial(_each_batch, unconverted), input_signature=[specs, tf.TensorSpec([], tf.int32)]
    )
    return traced


def _each_batch(step: Step, block: Any, batch_size: tf.Tensor) -> tf.Tensor:
    """Run a step on one batch after the other, and return the row where the loss was not finite, or their number."""
    count = tf.shape(block[1])[0]
    start, is_finite = tf.constant(0), tf.constant(True)
    while start < count and is_finite:
        end = tf.minimum(start + batch_size, count)
        logs = step(tf.nest.map_structure(lambda values, a=start, b=end: values[a:b], block))
        is_finite = tf.math.is_finite(logs["loss"])
        start = end
    return start


def _numbers(
    model: keras.Model, run: Callable[..., tf.Tensor], blocks: Iterable[Block], batch_size: int, where: str
) -> dict[str, float]:
    """Run the blocks of one epoch and return its metrics; TrainingError as soon as the loss is not finite."""
    model.reset_metrics()
    rows = 0
    for block in blocks:
        rows += int(run(block, batch_size))
        loss = float(model.get_metrics_result()["loss"])
        if not math.isfinite(loss):
            raise TrainingError(
                f"wanted a finite loss, got {loss} after {rows} rows of {where}; lower the learning rate, or remove "
                "outliers from the data"
            )
    return {name: float(value) for name, value in model.get_metrics_result().items()}
