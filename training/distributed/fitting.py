"""The training loop of several processes: a step's gradient is the mean over the rows of all of them."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from core.object_stores import locations
from training.distributed.group import Group
from training.distributed.rows import PartedRows
from training.distributed.schedule import Schedule, chunks
from training.distributed.shares import check_losses, gradients_times
from training.fitting import Loop, Splits, Step, check_finite, meaningful
from training.hooks import Hooks
from training.rows import Block
from training.settings import TrainingSettings
from training.state import TrainingState


class DistributedLoop(Loop):
    """The traced steps of one model over the parts that this process reads."""

    def __init__(
        self, group: Group, model: keras.Model, splits: Splits, settings: TrainingSettings, hooks: Sequence[Hooks]
    ) -> None:
        self._group = group
        check_losses(model)
        super().__init__(model, splits, settings, hooks)
        training, validation = splits
        assert isinstance(training, PartedRows)
        assert isinstance(validation, PartedRows)
        self._training, self._validation = training, validation
        self._schedule = Schedule(training.counts, settings.batch_size)
        self._schedule.check()

    def build(self) -> None:
        """Create the variables of optimizer and metrics, which a traced function must not create."""
        self.model.optimizer.build(self.model.trainable_variables)
        example = tf.nest.map_structure(tf.constant, self.splits.training.example())
        self._group.strategy.run(self.model.test_step, args=(example,))

    def restored(self, checkpoint: Path) -> TrainingState:
        """Restore the state of the first process in all of them."""
        content = self._group.from_chief(self._found(checkpoint) if self._group.member.is_chief else b"")
        if not content:
            return TrainingState()
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
            copied = Path(folder, "state.npz")
            copied.write_bytes(content)
            return TrainingState.read(copied, self.model)

    def keep(self, state: TrainingState, checkpoint: Path) -> None:
        """Write the state, in the first process."""
        if not self._group.member.is_chief:
            return
        state.write(checkpoint, self.model)
        if self._group.kept is not None:
            locations.write(self._group.kept, checkpoint.read_bytes())

    def _found(self, checkpoint: Path) -> bytes:
        for place in (checkpoint, self._group.kept):
            with suppress(FileNotFoundError):
                return b"" if place is None else locations.read(place)
        return b""

    def train(self, epoch: int) -> dict[str, float]:
        """Train on all rows in a new order; return the metrics over the rows of all processes."""
        model, settings = self.model, self.settings
        model.reset_metrics()
        streams = self._training.streams(self.order, epoch - 1)
        rows = 0
        for block, ends, shares in chunks(self._schedule, streams, self._group.member.count, settings.read_rows):
            run = self.traced("training", self.train_step, block)
            for (start, end), share in zip(pairwise((0, *ends.tolist())), shares, strict=True):
                run(_rows(block, start, end), share)
            rows += len(block[1])
            # Not after each step: the other processes wait for this one in every step, and in the metrics.
            check_finite(self.metrics()["loss"], f"{rows} rows of epoch {epoch} in this process")
        return meaningful(self.metrics(), self._training)

    def validate(self, epoch: int) -> dict[str, float]:
        """Return the metrics over the validation rows of all processes."""
        self.model.reset_metrics()
        for block in self._validation.blocks() if self._validation.is_here else ():
            self.traced("validation", self.model.test_step, block)(block, np.float32(1))
        check_finite(self.metrics()["loss"], f"the validation after epoch {epoch}")
        return meaningful(self.metrics(), self._validation)

    def make(self, step: Step, specs: Any) -> Callable[..., Any]:
        """Make a function that runs a step for one batch, with this process's share in it.

        A loop over batches in one function, as in one process, is not possible: TensorFlow gathers the gradients of
        embeddings, and keeps the number of rows of the first batch for the others of a call.
        """
        run = partial(_one_step, self._group.strategy.run, tf.autograph.experimental.do_not_convert(step))
        if self.model.run_eagerly:
            return run
        signature = [specs, tf.TensorSpec([], tf.float32)]
        traced: Callable[..., Any] = tf.function(run, input_signature=signature, autograph=False)
        return traced


def _rows(block: Block, start: int, end: int) -> Block:
    found: Block = tf.nest.map_structure(lambda values: values[start:end], block)
    return found


def _one_step(run: Callable[..., Any], step: Step, batch: Block, share: tf.Tensor) -> None:
    run(partial(shared_step, step), args=(batch, share))


def shared_step(step: Step, batch: Block, share: tf.Tensor) -> None:
    """Run a step in which this process has a share of the rows."""
    with gradients_times(share):
        step(batch)
