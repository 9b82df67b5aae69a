"""Saves a module as `tf.saved_model.save` does, with less of what it does around the functions.

A thread that saves traces functions for another context than others, so that what was traced outside of it is traced
again; and each signature is wrapped in a function, which AutoGraph rewrites although there is nothing to rewrite. Read
from tensorflow 2.16 (`saved_model/save.py`, `saved_model/save_context.py`, `saved_model/signature_serialization.py`,
`eager/polymorphic_function/function_context.py`).
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
from tensorflow.python.saved_model import signature_serialization
from tensorflow.python.saved_model.save_context import save_context


def trace(functions: Iterable[Any]) -> None:
    """Trace functions as they are saved with the default options; they must have an input signature."""
    with save_context(tf.saved_model.SaveOptions()):
        for function in functions:
            function.get_concrete_function()


def save(module: tf.Module, folder: Path, signatures: Mapping[str, Any] | None = None) -> None:
    """Write a module; without signatures its only function becomes one, as TensorFlow chooses it."""
    _wrap_signatures_as_they_are()
    tf.saved_model.save(module, str(folder), signatures=signatures)


def _wrap_signatures_as_they_are() -> None:
    """Let TensorFlow wrap signatures without AutoGraph, which takes longer for the first than the wrapping of all."""
    used = signature_serialization.def_function
    if not isinstance(used, SimpleNamespace):
        plain = SimpleNamespace(function=partial(used.function, autograph=False), Function=used.Function)
        signature_serialization.def_function = plain
