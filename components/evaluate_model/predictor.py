"""Asks a SavedModel for predictions on serialized tf.Examples, ours or any that TFX's `run_fn` exports."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from core.errors import MlopsError
from core.problem import Task

Predictions = NDArray[np.float32]
"""[rows] of probabilities of the positive class or of values; [rows, classes] for several classes."""

_SIGNATURES: dict[Task, tuple[str, ...]] = {
    "binary_classification": ("regress", "classify", "serving_default"),
    "multiclass_classification": ("classify", "serving_default"),
    "regression": ("regress", "serving_default"),
}
_OUTPUTS = ("outputs", "scores", "predictions", "probabilities", "output_0")


def saved_model(folder: Path) -> Path:
    """Find the SavedModel in a model's folder; MlopsError when there is none."""
    found = next((path for path in (folder / "Format-Serving", folder) if (path / "saved_model.pb").is_file()), None)
    if found is None:
        raise MlopsError(f"{folder}: wanted a SavedModel here or under Format-Serving/, got no saved_model.pb")
    return found


class Predictor:
    """A loaded model, called with batches of serialized tf.Examples."""

    def __init__(self, folder: Path, task: Task) -> None:
        """Load the model; MlopsError when none of its signatures takes serialized tf.Examples."""
        self._folder = folder
        self._task = task
        self._model = tf.saved_model.load(str(folder))
        self._function, self._argument = self._signature()

    def __call__(self, serialized: tf.Tensor) -> Predictions:
        """Predict one batch of serialized tf.Examples, [rows] of strings."""
        return self._shape(self._output(self._function(**{self._argument: serialized})))

    def classes(self, serialized: tf.Tensor) -> list[str]:
        """Name the classes in the order of the scores; empty when the model does not say."""
        named = self._function(**{self._argument: serialized[:1]}).get("classes")
        return [] if named is None or named.dtype != tf.string else [name.decode() for name in named.numpy()[0]]

    def _signature(self) -> tuple[tf.types.experimental.ConcreteFunction, str]:
        """Pick the first fitting signature whose only input is a vector of strings."""
        for name in _SIGNATURES[self._task]:
            function = self._model.signatures.get(name)
            if function is None:
                continue
            specs = function.structured_input_signature[1]
            if (
                len(specs) == 1
                and (spec := next(iter(specs.values()))).dtype == tf.string
                and spec.shape.rank in (None, 1)
            ):
                return function, next(iter(specs))
        wanted = ", ".join(_SIGNATURES[self._task])
        raise MlopsError(
            f"{self._folder}: wanted a signature ({wanted}) with one input of serialized tf.Examples, got {sorted(self._model.signatures)}"
        )

    def _output(self, outputs: dict[str, tf.Tensor]) -> tf.Tensor:
        for name in _OUTPUTS:
            if name in outputs:
                return outputs[name]
        numeric = [name for name, value in outputs.items() if value.dtype.is_floating]
        if len(numeric) != 1:
            raise MlopsError(
                f"{self._folder}: wanted one numeric output or one named {' or '.join(_OUTPUTS)}, got {sorted(outputs)}"
            )
        return outputs[numeric[0]]

    def _shape(self, output: tf.Tensor) -> Predictions:
        scores = np.asarray(output.numpy(), np.float32)
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        if self._task == "binary_classification" and scores.ndim == 2 and scores.shape[1] == 2:
            scores = scores[:, 1]
        wanted = 2 if self._task == "multiclass_classification" else 1
        if scores.ndim != wanted:
            raise MlopsError(
                f"{self._folder}: wanted predictions of {wanted} dimension(s) for {self._task}, got the shape {list(output.shape)}"
            )
        return scores
