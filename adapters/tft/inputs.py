"""Finds out which raw columns a `preprocessing_fn` reads, from tf.Transform's trace of it.

Read from tensorflow_transform 1.16.0 (`inspect_preprocessing_fn.py`), whose public function traces into a folder of its
own choice and leaves it behind.
"""

from collections.abc import Mapping

import tensorflow as tf
from tensorflow_transform import graph_tools, impl_helper

from adapters.tft.trace import Preprocessing


def read_columns(preprocessing_fn: Preprocessing, specs: Mapping[str, tf.TypeSpec], temporary: str) -> frozenset[str]:
    """Return the columns that any output depends on; what the function raises passes through."""
    graph, inputs, outputs = impl_helper.trace_preprocessing_function(preprocessing_fn, specs, False, temporary)
    return frozenset(graph_tools.get_dependent_inputs(graph, inputs, outputs))
