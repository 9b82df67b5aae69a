"""The layer of tf.Transform in this process and in a SavedModel, without what Keras and tf.Transform add to each call.

Read from tensorflow-transform 1.16 (`output_wrapper.py`, `saved/saved_transform_io_v2.py`) and tf-keras 2.16
(`saving/legacy/saved_model`).
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft


class Layer:
    """`TFTransformOutput.transform_features_layer()`: raw features to those transformed ones that they suffice for.

    tf.Transform calls the graph with tensors one by one. TensorFlow takes them for the dictionary that the graph was
    traced with, and makes an error with the text of all values, before it tries them one by one.
    """

    def __init__(self, output: tft.TFTransformOutput) -> None:
        """Load the graph."""
        self.layer = output.transform_features_layer()
        self._loader = self.layer._saved_model_loader

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Transform; with a feature missing, or an older SavedModel, as tf.Transform does."""
        loader = self._loader
        if loader.load_v2_in_compat or set(raw) != set(loader._structured_inputs):
            found: dict[str, Any] = self.layer(raw)
            return found
        return dict(loader._wrapped_function(dict(raw)))


def resources(transform: Any) -> dict[str, Any]:
    """Return what a SavedModel must track of a `Layer`: graph, tables and files.

    A plain function holds nothing. tf.Transform's layer is a Keras model: tracked itself, Keras would trace its call
    several times and rewrite it by AutoGraph, half of the time of an export, for functions that are never called.
    """
    layer = transform.layer if isinstance(transform, Layer) else transform
    return dict(layer._trackable_children()) if isinstance(layer, tf.Module) else {}
