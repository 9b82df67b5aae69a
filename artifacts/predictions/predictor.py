"""Predicts on serialized tf.Examples with a SavedModel, of this project or from any `run_fn` of TFX."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from artifacts.model import graph_ops
from artifacts.model.names import GRAPH, SERVING, find_saved_model
from artifacts.model.scored_output import scored_output
from core.errors import MlopsError
from core.problem import Task
from problems import kind

Outputs = NDArray[np.float32]
"""The model's raw output: [rows], or [rows, columns]."""


def saved_model(folder: Path) -> Path:
    """Find the SavedModel in a model's folder; MlopsError when there is none."""
    found = find_saved_model(folder)
    if found is None:
        raise MlopsError(f"{folder}: wanted a SavedModel here or under {SERVING}/, got no {GRAPH}")
    return found


class Predictor:
    """A loaded model, called with batches of serialized tf.Examples."""

    def __init__(self, folder: Path, task: Task) -> None:
        """Load the SavedModel in a folder, which may come from elsewhere, such as a champion.

        Raises MlopsError when no signature takes serialized tf.Examples, ModelError for operations that reach out.
        """
        self._folder = folder
        self._kind = kind(task)
        graph_ops.check_restored(folder)
        self._model = tf.saved_model.load(str(folder))
        self._function, self._argument = self._signature()

    def __call__(self, serialized: tf.Tensor) -> Outputs:
        """Predict a batch of serialized tf.Examples, [rows] of strings; MlopsError for an output of another shape."""
        output = self._output(self._function(**{self._argument: serialized}))
        return np.asarray(self._kind.shaped(output.numpy(), str(self._folder)), np.float32)

    def transformed(self, serialized: tf.Tensor) -> dict[str, NDArray[Any]]:
        """Return the dense transformed features of a batch, each [rows, ...].

        Raises MlopsError for a model that a module's `run_fn` exported without the signature `transform_features`.
        """
        function = self._model.signatures.get("transform_features")
        argument = None if function is None else _examples_argument(function)
        if function is None or not argument:
            raise MlopsError(
                f"{self._folder}: wanted the signature transform_features, as models of `build_model` have it, got "
                f"{sorted(self._model.signatures)}"
            )
        found = function(**{argument: serialized})
        return {name: value.numpy() for name, value in found.items()}

    def classes(self, serialized: tf.Tensor) -> tuple[str, ...]:
        """Return the names of the classes in the order of the scores; empty when the signature has no `classes`."""
        names = self._function(**{self._argument: serialized[:1]}).get("classes")
        if names is None or names.dtype != tf.string:
            return ()
        return tuple(name.decode("utf-8", "replace") for name in names.numpy().reshape(-1))

    def _signature(self) -> tuple[tf.types.experimental.ConcreteFunction, str]:
        """Return the first signature of the problem's kind whose only input is a vector of strings, and that input."""
        for name in self._kind.signatures:
            function = self._model.signatures.get(name)
            argument = None if function is None else _examples_argument(function)
            if function is not None and argument:
                return function, argument
        wanted = ", ".join(self._kind.signatures)
        raise MlopsError(
            f"{self._folder}: wanted a signature ({wanted}) with one input of serialized tf.Examples, "
            f"got {sorted(self._model.signatures)}"
        )

    def _output(self, outputs: dict[str, tf.Tensor]) -> tf.Tensor:
        name = scored_output(outputs, [name for name, value in outputs.items() if value.dtype.is_floating])
        if name is None:
            raise MlopsError(
                f"{self._folder}: wanted one numeric output or one with a usual name such as outputs or scores, "
                f"got {sorted(outputs)}"
            )
        return outputs[name]


def _examples_argument(function: Any) -> str | None:
    """Return the name of the only input if it is a vector of strings, else None."""
    specs = function.structured_input_signature[1]
    if len(specs) != 1:
        return None
    name, spec = next(iter(specs.items()))
    return str(name) if spec.dtype == tf.string and spec.shape.rank in (None, 1) else None
