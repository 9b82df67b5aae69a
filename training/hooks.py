"""What a stage may add to the one training loop, without a loop of its own."""

from collections.abc import Mapping

import keras


class Hooks:
    """Does nothing; a stage overrides what it needs.

    `model.stop_training = True` ends the training after the current epoch, as in Keras. The rows' targets and weights
    may be replaced in `before_epoch` (`Rows.replace`).
    """

    resumable = True
    """Whether a training with these hooks may continue from a checkpoint; not with state of their own."""

    def begin(self, model: keras.Model) -> None:
        """Called once, before the first epoch of this process, when all variables exist."""

    def before_epoch(self, model: keras.Model, epoch: int) -> None:
        """Called in Python before an epoch, counted from 1."""

    def after_step(self, model: keras.Model) -> None:
        """Traced once into the graph, and run after each optimizer step: assign to variables with TensorFlow only."""

    def after_epoch(self, model: keras.Model, epoch: int, metrics: Mapping[str, float]) -> None:
        """Called in Python after an epoch and its validation, with Keras' names of metrics (`loss`, `val_loss`)."""

    def end(self, model: keras.Model) -> None:
        """Called once, after the last epoch, before weights are restored."""

    def kept_epoch(self, epochs: int) -> int | None:
        """Return the epoch, counted from 1, whose weights the model has after `end`, where the hooks decide that.

        None, the default, restores those of the epoch with the lowest validation loss; a schedule that must be run to
        its end, such as one of pruning, returns `epochs`.
        """
