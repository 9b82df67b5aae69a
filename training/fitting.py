"""Fits a compiled Keras model to rows: early stopping, checkpoints, and a stop at the first loss that is NaN."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from core.errors import TrainingError
from core.problem import Task
from problems import kind
from training.hooks import Hooks
from training.rows import Block, Order, Rows
from training.settings import TrainingSettings
from training.state import TrainingState

log = logging.getLogger(__name__)
Step = Callable[[Any], dict[str, Any]]
"""Keras' `train_step` or `test_step`."""


class Splits(NamedTuple):
    """The rows that a model is fitted to, and those that say when to stop."""

    training: Rows
    validation: Rows


class Fitted(NamedTuple):
    """The result of a training."""

    history: dict[str, list[float]]
    """Per epoch, by Keras' names: `loss`, `val_loss` and the model's own metrics."""
    best_epoch: int
    """Counted from 1; the epoch whose weights were kept."""


_UNCALLED = ("fit", "make_train_function", "train_on_batch", "evaluate", "make_test_function", "test_on_batch")
"""Methods of a Keras model that this loop does not call; it calls `train_step` and `test_step`."""


def check_steps(model: keras.Model) -> None:
    """Raise TrainingError for a model with a loop of its own, which would be ignored."""
    own = [name for name in _UNCALLED if getattr(type(model), name) is not getattr(keras.Model, name)]
    if own:
        raise TrainingError(
            f"build_model: {type(model).__name__} has its own {', '.join(own)}, but the training runs train_step and "
            "test_step over blocks of rows and calls no other method; write it there, or train in a run_fn"
        )


def seed_everything(settings: TrainingSettings) -> None:
    """Seed Keras, NumPy and Python, make TensorFlow deterministic if configured, and reset the names of layers."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()


def check_labels(rows: Rows, split: str, task: Task, width: int | None) -> None:
    """Raise TrainingError for no rows, or labels that cannot be trained on; `width` is the number of outputs."""
    if not len(rows):
        raise TrainingError(f"wanted rows in the split {split!r}, got none; widen ingest_examples.window")
    fault = kind(task).label_fault(rows.labels, width) if split == "train" else ""
    if fault:
        raise TrainingError(f"{rows.label} in the split {split!r}: {fault}")


def fit(
    model: keras.Model,
    splits: Splits,
    settings: TrainingSettings,
    checkpoint: Path | None = None,
    hooks: Sequence[Hooks] = (),
) -> Fitted:
    """Train until the validation loss no longer decreases; the model then has the best epoch's weights.

    TensorFlow gets large blocks of rows and splits them into batches in a function that is traced once. Training
    continues from the checkpoint if there is one; without a path for it, none is written. Raises TrainingError at the
    first batch whose loss is not finite.
    """
    return follow(Loop(model, splits, settings, hooks), checkpoint)


def follow(loop: "Loop", checkpoint: Path | None) -> Fitted:
    """Run a loop as `fit` does."""
    model, settings, hooks = loop.model, loop.settings, loop.hooks
    checkpoint = checkpoint if all(one.resumable for one in hooks) else None
    state = TrainingState() if checkpoint is None else loop.restored(checkpoint)
    model.stop_training = False
    for one in hooks:
        one.begin(model)
    while len(state.losses) < settings.epochs and not state.is_over(settings.early_stopping):
        numbers = loop.run_epoch(len(state.losses) + 1)
        state.add(numbers, model)
        log.info(
            "epoch %d: %s",
            len(state.losses),
            ", ".join(f"{name} {value:.4f}" for name, value in numbers.items()),
        )
        for one in hooks:
            one.after_epoch(model, len(state.losses), numbers)
        if checkpoint is not None:
            loop.keep(state, checkpoint)
        if model.stop_training:
            break
    for one in hooks:
        one.end(model)
    kept = next((epoch for one in hooks if (epoch := one.kept_epoch(len(state.losses))) is not None), None)
    if kept is None:
        state.restore_best(model)
    if not all(np.isfinite(weight.numpy()).all() for weight in model.weights):
        raise TrainingError("wanted finite weights after the last epoch, got NaN or infinity; lower the learning rate")
    return Fitted(state.history, state.best_epoch if kept is None else kept)


class Loop:
    """The traced steps of one model over its rows."""

    def __init__(self, model: keras.Model, splits: Splits, settings: TrainingSettings, hooks: Sequence[Hooks]) -> None:
        self.model = model
        self.splits = splits
        self.settings = settings
        self.hooks = hooks
        self.order = Order(settings.seed, settings.shuffle_rows)
        self.when_traced: Callable[[], None] | None = None
        """Called once, when no Python of the model is needed any more."""
        self._steps: dict[str, Any] = {}
        self.build()

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Train on all rows in a new order, validate, and return the metrics."""
        for one in self.hooks:
            one.before_epoch(self.model, epoch)
        trained = self.train(epoch)
        return trained | {f"val_{name}": value for name, value in self.validate(epoch).items()}

    def build(self) -> None:
        """Create the variables of optimizer and metrics, which a traced function must not create."""
        self.model.optimizer.build(self.model.trainable_variables)
        rows = self.splits.validation.example()
        run: Any = self.traced("validation", self.model.test_step, rows)
        if self.model.run_eagerly:
            run(rows, 1)
        else:  # the graph is optimized by its first call, beside the export's Python
            run.get_concrete_function()

    def restored(self, checkpoint: Path) -> TrainingState:
        """Restore the state of a training that was interrupted; a new one where there was none."""
        return TrainingState.read(checkpoint, self.model)

    def keep(self, state: TrainingState, checkpoint: Path) -> None:
        """Write the state after an epoch."""
        state.write(checkpoint, self.model)

    def train(self, epoch: int) -> dict[str, float]:
        """Train on all rows in a new order; return the metrics."""
        rows = self.splits.training
        run: Any = self.traced("training", self.train_step, rows.example())
        if self.when_traced is not None:
            run.get_concrete_function()
            self.when_traced()
            self.when_traced = None
        blocks, size = rows.shuffled(self.order, epoch - 1), self.settings.batch_size
        return meaningful(self._numbers(run, blocks, size, f"epoch {epoch}"), rows)

    def validate(self, epoch: int) -> dict[str, float]:
        """Return the metrics of the validation rows."""
        rows = self.splits.validation
        run = self.traced("validation", self.model.test_step, rows.example())
        where = f"the validation after epoch {epoch}"
        return meaningful(self._numbers(run, rows.blocks(), self.settings.read_rows, where), rows)

    def train_step(self, batch: Any) -> dict[str, Any]:
        """Train on one batch, and let the hooks follow; TrainingError for a step of a model's own without a loss."""
        logs: dict[str, Any] = self.model.train_step(batch)
        if "loss" not in logs:
            raise TrainingError(
                f"build_model: {type(self.model).__name__}.train_step returns {', '.join(logs)}; wanted 'loss' among "
                "them, by which the training sees that it diverges"
            )
        for one in self.hooks:
            one.after_step(self.model)
        return logs

    def traced(self, name: str, step: Step, example: Block) -> Callable[..., Any]:
        """Return the function of a step; traced again when targets or weights of another form replace the rows'."""
        specs = tf.nest.map_structure(lambda values: tf.TensorSpec([None, *values.shape[1:]], values.dtype), example)
        if self._steps.get(name, (None,))[0] != specs:
            self._steps[name] = (specs, self.make(step, specs))
        traced: Callable[..., Any] = self._steps[name][1]
        return traced

    def make(self, step: Step, specs: Any) -> Callable[..., Any]:
        """Make a function that runs a step over blocks of any number of rows, traced once unless the model is eager.

        AutoGraph converts nothing: not the step, as in Keras' `fit`, and it would take as long as tracing the loop.
        """
        unconverted = tf.autograph.experimental.do_not_convert(step)
        if self.model.run_eagerly:
            return partial(_each_batch, unconverted)
        traced: Callable[..., Any] = tf.function(
            partial(_each_batch, unconverted),
            input_signature=[specs, tf.TensorSpec([], tf.int32)],
            autograph=False,
        )
        return traced

    def metrics(self) -> dict[str, float]:
        """Return the metrics since they were last reset."""
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def _numbers(
        self, run: Callable[..., tuple[tf.Tensor, tf.Tensor]], blocks: Iterable[Block], batch_size: int, where: str
    ) -> dict[str, float]:
        """Run the blocks of one epoch and return its metrics; TrainingError as soon as the loss is not finite."""
        self.model.reset_metrics()
        rows = 0
        for block in blocks:
            done, is_finite = run(block, batch_size)
            rows += int(done)
            if not is_finite:
                check_finite(self.metrics()["loss"], f"{rows} rows of {where}")
        numbers = self.metrics()
        check_finite(numbers["loss"], f"{rows} rows of {where}")
        return numbers


def check_finite(loss: float, where: str) -> None:
    """Raise TrainingError for a loss that is not finite."""
    if not math.isfinite(loss):
        raise TrainingError(
            f"wanted a finite loss, got {loss} after {where}; lower the learning rate, or remove outliers from the data"
        )


def meaningful(numbers: dict[str, float], rows: Rows) -> dict[str, float]:
    """Return the loss alone for probabilistic labels: Keras' metrics ignore the weights of rows."""
    return {"loss": numbers["loss"]} if rows.is_soft else numbers


def _each_batch(step: Step, block: Any, batch_size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Run a step on one batch after the other while the loss is finite; return the rows that were run, and if it is."""
    count = tf.shape(block[1])[0]

    def goes_on(start: tf.Tensor, is_finite: tf.Tensor) -> tf.Tensor:
        return tf.logical_and(start < count, is_finite)

    def one_batch(start: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        end = tf.minimum(start + batch_size, count)
        # As values[start:end], which would make begin, end and stride anew for each feature.
        bounds = [tf.reshape(start, [1]), tf.reshape(end, [1]), tf.constant([1])]
        logs = step(tf.nest.map_structure(lambda values: tf.strided_slice(values, *bounds), block))
        return end, tf.math.is_finite(logs["loss"])

    done: tuple[tf.Tensor, tf.Tensor] = tf.while_loop(goes_on, one_batch, (tf.constant(0), tf.constant(True)))
    return done
