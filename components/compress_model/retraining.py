"""Trains a model for a few more epochs in the one training loop: pruned, with quantized arithmetic, or as it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from components.compress_model.config import Config
from components.compress_model.fake_quantization import AwareModel
from components.compress_model.pruning import Masks, prunable
from training.hooks import Hooks
from training.session import Session
from training.settings import EarlyStopping

Weights = list[NDArray[Any]]
CONTROL = "control"
"""Trained for as many epochs without compression."""


class Retrained(NamedTuple):
    """A model after its extra epochs."""

    name: str
    """How it was trained, such as `pruned+qat`; no two of one compression have the same."""
    model: keras.Model
    weights: Weights
    epochs: int


class _Compression(Hooks):
    """Keeps masked weights at 0, and measures the ranges of activations before each epoch."""

    resumable = False

    def __init__(self, config: Config, steps: int, rows: Mapping[str, Any]) -> None:
        self._config, self._steps, self._rows = config, steps, rows
        self.is_pruned = False
        self.aware: AwareModel | None = None
        self._masks: Masks | None = None

    def begin(self, model: keras.Model) -> None:
        """Make the masks."""
        if self.is_pruned:
            schedule = self._config.pruning
            self._masks = Masks(prunable(model, schedule.min_weights), schedule, self._steps)

    def before_epoch(self, model: keras.Model, epoch: int) -> None:  # noqa: ARG002 - of the interface
        """Measure ranges with the weights of now."""
        if self.aware is not None:
            self.aware.measure(self._rows)

    def after_step(self, model: keras.Model) -> None:  # noqa: ARG002 - of the interface
        """Set masked weights to 0."""
        if self._masks is not None:
            self._masks.after_step()

    def kept_epoch(self, epochs: int) -> int:
        """Keep the last epoch: an earlier one is less sparse."""
        return epochs


def retrain(
    session: Session, config: Config, weights: Weights, rows: Mapping[str, Any], sources: tuple[bool, bool]
) -> Retrained:
    """Train from `weights` for the configured extra epochs; `sources` says whether pruned, and whether quantized.

    The control is neither. `rows` are the calibration rows.
    """
    is_pruned, is_aware = sources
    further = session.variant(
        epochs=config.epochs,
        early_stopping=EarlyStopping(patience=config.epochs),
        hyperparameters=config.hyperparameters,
    )
    model = further.build()
    model.set_weights(weights)
    hooks = _Compression(config, int(further.hyperparameters["train_steps"]), rows)
    hooks.is_pruned = is_pruned
    if is_aware:
        hooks.aware = AwareModel(model)
        hooks.aware.measure(rows)
    fitted = further.fit(model, hooks=(hooks,))
    if hooks.aware is not None:
        hooks.aware.measure(rows)
        hooks.aware.fix()
    name = "+".join(part for part, is_on in (("pruned", is_pruned), ("qat", is_aware)) if is_on)
    trained = [np.asarray(weight.numpy()) for weight in model.weights]
    return Retrained(name or CONTROL, model, trained, len(fitted.history["loss"]))
