"""The part of a model behind its transform, with packed inputs: what the TFLite converter can convert."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from adapters import tf_save
from artifacts.model.edge_model import FLOATS, INTEGERS, Columns, EdgeInputs, Tensor
from core.errors import ConversionError

_SPECS = {FLOATS: tf.float32, INTEGERS: tf.int64}


def columns_of(model: keras.Model, row: Mapping[str, NDArray[Any]]) -> tuple[Columns, ...]:
    """Give each input of a model its columns, in the order of `row`, which has one row of every transformed feature.

    Raises ConversionError for an input whose values are neither numbers nor of one shape.
    """
    found: list[Columns] = []
    used: dict[Tensor, int] = {}
    for name, values in row.items():
        if values.dtype.kind not in "fiub":
            raise ConversionError(
                f"compress_model: {name}: wanted numbers from preprocessing_fn, got {values.dtype}; give it a "
                "vocabulary there"
            )
        tensor: Tensor = "floats" if values.dtype.kind == "f" else "integers"
        start = used.get(tensor, 0)
        stop = start + int(np.prod(values.shape[1:]))
        used[tensor] = stop
        found.append(Columns(name, tensor, start, stop, tuple(values.shape[1:])))
    if not found:
        raise ConversionError(f"compress_model: the model {model.name} has no input")
    return tuple(found)


class Body(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """A model that takes packed features and returns `predictions`, [rows, values]."""

    def __init__(
        self,
        model: keras.Model,
        inputs: EdgeInputs,
        dtypes: Mapping[str, Any],
        finish: Callable[[tf.Tensor], tf.Tensor],
    ) -> None:
        """Take the model, the packed inputs, each input's own type, and what makes predictions of the output."""
        super().__init__()
        # Only the variables: TensorFlow would trace a tracked Keras model again, for functions that are never called.
        self.weights = [weight.value for weight in model.variables]

        def predict(packed: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            features = {one.name: tf.cast(_unpacked(one, packed), dtypes[one.name]) for one in inputs.columns}
            output = finish(model(features, training=False))
            return {"predictions": tf.cast(tf.reshape(output, [tf.shape(output)[0], -1]), tf.float32)}

        specs = {name: tf.TensorSpec([None, width], _SPECS[name], name=name) for name, width in inputs.widths.items()}
        self.predict = tf.function(predict, input_signature=[specs], autograph=False)

    def save(self, folder: Path) -> Path:
        """Write the body as a SavedModel."""
        tf_save.save(self, folder, {"serving_default": self.predict})
        return folder


def _unpacked(one: Columns, packed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    values = packed[one.tensor]
    if (one.start, one.stop) != (0, values.shape[1]):
        values = values[:, one.start : one.stop]
    return values if one.shape == (one.stop - one.start,) else tf.reshape(values, [-1, *one.shape])


class Served:
    """A body's SavedModel in a session, as servers run it."""

    def __init__(self, folder: Path) -> None:
        with tf.Graph().as_default():
            self._session = tf.compat.v1.Session(
                config=tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
            )
            loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], str(folder))
            signature = loaded.signature_def["serving_default"]
            self._names = list(signature.inputs)
            self._call = self._session.make_callable(
                signature.outputs["predictions"].name, [signature.inputs[name].name for name in self._names]
            )

    def __call__(self, packed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Predict packed rows; returns [rows, values]."""
        predictions: NDArray[np.float32] = self._call(*(packed[name] for name in self._names))
        return predictions

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
