"""The state of a training after an epoch: metrics, best weights, and the checkpoint to continue from."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt

from training.settings import EarlyStopping

Weights = list[npt.NDArray[Any]]
_STATE, _BEST, _HISTORY = "state", "best", "history"


class TrainingState:
    """The epochs so far."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self._best: Weights = []

    @property
    def losses(self) -> list[float]:
        """Loss on the validation split after each epoch."""
        return self.history.get("val_loss", [])

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest of these losses, counted from 1."""
        return int(np.argmin(self.losses)) + 1

    def is_over(self, stopping: EarlyStopping) -> bool:
        """Whether the last `patience` epochs had no better loss."""
        patience = stopping.patience
        return (
            len(self.losses) > patience
            and min(self.losses[-patience:]) > min(self.losses[:-patience]) - stopping.min_delta
        )

    def add(self, numbers: dict[str, float], model: keras.Model) -> None:
        """Record an epoch's metrics, and its weights if it is the best so far."""
        for name, value in numbers.items():
            self.history.setdefault(name, []).append(value)
        if self.best_epoch == len(self.losses):
            self._best = [weight.numpy() for weight in model.weights]

    def restore_best(self, model: keras.Model) -> None:
        """Set the model's weights to those of the best epoch."""
        for weight, value in zip(model.weights, self._best, strict=True):
            weight.assign(value)

    def write(self, checkpoint: Path, model: keras.Model) -> None:
        """Write all variables of model and optimizer, the best weights and the numbers, atomically.

        The file is made in a temporary folder, because numpy goes back in it, which a mounted bucket does not like.
        """
        variables = [variable.numpy() for variable in _variables(model)]
        staged = checkpoint.with_name(f".{checkpoint.name}.staging.npz")
        history = np.frombuffer(json.dumps(self.history).encode(), np.uint8)
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as temporary:
            made = Path(temporary, "state.npz")
            np.savez(made, **_named(_STATE, variables), **_named(_BEST, self._best), **{_HISTORY: history})
            shutil.copyfile(made, staged)
        staged.replace(checkpoint)

    @classmethod
    def read(cls, checkpoint: Path, model: keras.Model) -> Self:
        """Restore model and optimizer from a checkpoint; a new state when there is none, or it is of another model."""
        state = cls()
        if not checkpoint.is_file():
            return state
        with np.load(checkpoint, allow_pickle=False) as file:
            saved = dict(file)
        variables = _variables(model)
        values = [saved[name] for name in _named(_STATE, variables) if name in saved]
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            return state
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        state.history = json.loads(saved[_HISTORY].tobytes())
        state._best = [saved[name] for name in _named(_BEST, model.weights)]
        return state


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _named(prefix: str, values: Sequence[Any]) -> dict[str, Any]:
    return {f"{prefix}-{index}": value for index, value in enumerate(values)}
