"""The layer of tf.Transform in a SavedModel, without the functions that Keras adds to it.

Read from tensorflow-transform 1.16 (`output_wrapper.py`) and tf-keras 2.16 (`saving/legacy/saved_model`).
"""

from typing import Any

import tensorflow as tf


def resources(layer: Any) -> dict[str, Any]:
    """Return what a SavedModel must track of `TFTransformOutput.transform_features_layer()`: graph, tables and files.

    A plain function holds nothing. The layer is a Keras model: tracked itself, Keras would trace its call several times
    and rewrite it by AutoGraph, half of the time of an export, for functions that are never called.
    """
    return dict(layer._trackable_children()) if isinstance(layer, tf.Module) else {}
