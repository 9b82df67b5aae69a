"""Keras callbacks of a user's module, called around the epochs of the one training loop."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import keras

from core.errors import TrainingError
from training.hooks import Hooks
from training.hyperparameters.asked_for import AskedFor, called

FUNCTION = "callbacks"
"""Name of a module's function that returns them, of the hyperparameters."""
_UNCALLED = (
    "on_test_begin",
    "on_test_end",
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)
_IDLE_AT_BATCHES: Mapping[type[keras.callbacks.Callback], Callable[[Any], bool]] = {
    keras.callbacks.TerminateOnNaN: lambda _: True,  # every loss is checked anyway
    keras.callbacks.ModelCheckpoint: lambda one: one.save_freq == "epoch",
}
"""Callbacks of Keras with methods for batches that have nothing to do there, and when that is so."""


def hooks_of(module: ModuleType, hyperparameters: Mapping[str, Any], epochs: int) -> list[Hooks]:
    """Return the callbacks of a module as hooks; none where it has no function `callbacks`.

    Raises TrainingError for one that acts on batches or around the validation: all of an epoch is run in traced
    functions; and for a hyperparameter that the function cannot use.
    """
    function = getattr(module, FUNCTION, None)
    if not callable(function):
        return []
    given = AskedFor(hyperparameters)
    found = list(called(function, (given,), given, module))
    for one in found:
        _check(one)
    return [CallbackHooks(found, epochs)] if found else []


def read_names(module: ModuleType, hyperparameters: Mapping[str, Any]) -> set[str]:
    """Return the hyperparameters that a module's function `callbacks` reads; none where it has no such function."""
    function, given = getattr(module, FUNCTION, None), AskedFor(hyperparameters)
    if callable(function):
        called(function, (given,), given, module)
    return given.names


def _check(callback: Any) -> None:
    name = type(callback).__name__
    if not isinstance(callback, keras.callbacks.Callback):
        raise TrainingError(f"{FUNCTION}: wanted keras.callbacks.Callback, got {name}; return a list of them")
    if any(isinstance(callback, kind) and is_idle(callback) for kind, is_idle in _IDLE_AT_BATCHES.items()):
        return
    used = [method for method in _UNCALLED if not keras.src.utils.is_default(getattr(callback, method))]
    if used:
        raise TrainingError(
            f"{FUNCTION}: {name} has {', '.join(used)}, but batches are run in traced functions that call no "
            "Python; do it in on_epoch_end, or in the model's train_step with TensorFlow alone"
        )


class CallbackHooks(Hooks):
    """Calls callbacks as `model.fit` does; epochs are counted from 0 for them."""

    resumable = False  # such as the epochs that ReduceLROnPlateau has waited

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], epochs: int) -> None:
        self._callbacks = list(callbacks)
        self._epochs = epochs
        self._list = keras.callbacks.CallbackList([])

    def begin(self, model: keras.Model) -> None:
        """Give the callbacks the model."""
        self._list = keras.callbacks.CallbackList(self._callbacks, model=model, epochs=self._epochs, verbose=0)
        self._list.on_train_begin()

    def before_epoch(self, model: keras.Model, epoch: int) -> None:
        """Call on_epoch_begin."""
        self._list.on_epoch_begin(epoch - 1)

    def after_epoch(self, model: keras.Model, epoch: int, metrics: Mapping[str, float]) -> None:
        """Call on_epoch_end."""
        self._list.on_epoch_end(epoch - 1, dict(metrics))

    def end(self, model: keras.Model) -> None:
        """Call on_train_end."""
        self._list.on_train_end()

    def kept_epoch(self, epochs: int) -> int | None:
        """Return the epoch that an EarlyStopping with restore_best_weights has restored."""
        for one in self._callbacks:
            if isinstance(one, keras.callbacks.EarlyStopping) and one.restore_best_weights:
                return int(one.best_epoch) + 1
        return None
