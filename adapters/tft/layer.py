"""The layer of tf.Transform in this process and in a SavedModel, without what Keras and tf.Transform add to each call.

Read from tensorflow-transform 1.16 (`output_wrapper.py`, `saved/saved_transform_io_v2.py`), tf-keras 2.16
(`saving/legacy/saved_model`) and tensorflow 2.16 (`trackable/resource.py`, `saved_model/load.py`).
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow.python.eager.polymorphic_function import polymorphic_function as tf_function
from tensorflow.python.trackable.base import SaveType
from tensorflow.python.trackable.resource import RestoredResource

_FUNCTIONS = ("_create_resource", "_destroy_resource")
"""What makes and removes a table. What fills it is asked for its trace, which one that was loaded makes anew."""


class Layer:
    """`TFTransformOutput.transform_features_layer()`: raw features to those transformed ones that they suffice for.

    tf.Transform calls the graph with tensors one by one. TensorFlow takes them for the dictionary that the graph was
    traced with, and makes an error with the text of all values, before it tries them one by one.
    """

    def __init__(self, output: tft.TFTransformOutput) -> None:
        """Load the graph."""
        self.layer = output.transform_features_layer()
        self._loader = self.layer._saved_model_loader

    @property
    def is_old(self) -> bool:
        """Whether the SavedModel is of TensorFlow 1, which has no functions."""
        return bool(self._loader.load_v2_in_compat)

    @property
    def graph(self) -> Any:
        """The graph of the function."""
        return self._loader._func_graph

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Its tensors of raw features."""
        inputs: Mapping[str, Any] = self._loader._structured_inputs
        return inputs

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Its tensors of transformed features."""
        outputs: Mapping[str, Any] = self._loader.structured_outputs
        return outputs

    def __call__(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Transform; with a feature missing, or an older SavedModel, as tf.Transform does."""
        loader = self._loader
        if self.is_old or set(raw) != set(loader._structured_inputs):
            found: dict[str, Any] = self.layer(raw)
            return found
        return dict(loader._wrapped_function(dict(raw)))

    def tables(self) -> list[Any] | None:
        """Return the tables that the graph looks things up in; None where it holds anything else, such as variables."""
        handles = [one for one in self._loader._wrapped_function.captured_inputs if one.dtype == tf.resource]
        found = [getattr(one, "_parent_trackable", lambda: None)() for one in handles]
        if self.is_old or not all(isinstance(one, RestoredResource) for one in found):
            return None
        return [_kept_as_loaded(one) for one in found]


def resources(transform: Any) -> dict[str, Any]:
    """Return what a SavedModel must track of a `Layer`: tables and their files; all of it where there is more.

    A plain function holds nothing. tf.Transform's layer is a Keras model: tracked itself, Keras would trace its call
    several times and rewrite it by AutoGraph, half of the time of an export, for functions that are never called.
    """
    if isinstance(transform, Layer):
        tables = transform.tables()
        if tables is not None:
            return {"tables": tables}
        transform = transform.layer
    return dict(transform._trackable_children()) if isinstance(transform, tf.Module) else {}


def _kept_as_loaded(table: RestoredResource) -> RestoredResource:
    """Have a table saved with the functions that it was loaded with.

    TensorFlow would write three functions around each of them, which every load of the model has to read.
    """
    own = {name: getattr(table, name, None) for name in _FUNCTIONS}
    if not all(isinstance(function, tf_function.Function) for function in own.values()):
        return table

    def children(save_type: str = SaveType.CHECKPOINT, **given: Any) -> dict[str, Any]:
        found = dict(type(table)._trackable_children(table, save_type, **given))
        return found | own if save_type == SaveType.SAVEDMODEL else found

    table._trackable_children = children
    return table
