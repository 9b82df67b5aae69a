"""What `tf.saved_model.save` does with functions before it writes them, to be done ahead of time.

Read from tensorflow 2.16 (`saved_model/save.py`, `saved_model/save_context.py`,
`eager/polymorphic_function/function_context.py`): a thread that saves traces functions for another context than others,
so that what was traced outside of it is traced again.
"""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.python.saved_model.save_context import save_context


def trace(functions: Iterable[Any]) -> None:
    """Trace functions as they are saved with the default options; they must have an input signature."""
    with save_context(tf.saved_model.SaveOptions()):
        for function in functions:
            function.get_concrete_function()
