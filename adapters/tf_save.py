"""Saves a module as `tf.saved_model.save` does, with less of what it does around the functions.

A thread that saves traces functions for another context than others, so that what was traced outside of it is traced
again; each signature is wrapped in a function, which AutoGraph rewrites although there is nothing to rewrite; and the
graph that is written needs no value of a variable, but is made when they are written. Read from tensorflow 2.16
(`saved_model/save.py`, `saved_model/save_context.py`, `saved_model/signature_serialization.py`,
`eager/polymorphic_function/function_context.py`).
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
from tensorflow.python.saved_model import save as saving
from tensorflow.python.saved_model import signature_serialization

Made = tuple[Any, ...]
"""The graph of a module, and what TensorFlow needs besides to write it."""

_build_meta_graph = saving._build_meta_graph
_made: ContextVar[Made | None] = ContextVar("made", default=None)


def make(module: tf.Module, signatures: Mapping[str, Any]) -> Made:
    """Trace the functions of a module and make the graph that `save` writes, but for what its variables hold.

    The functions must have an input signature; what is tracked in the module must not change until it is saved.
    """
    _wrap_signatures_as_they_are()
    made: Made = _build_meta_graph(module, signatures, tf.saved_model.SaveOptions())
    return made


def save(
    module: tf.Module, folder: Path, signatures: Mapping[str, Any] | None = None, made: Made | None = None
) -> None:
    """Write a module, from what was made of it already or all anew.

    Without signatures its only function becomes one, as TensorFlow chooses it.
    """
    _wrap_signatures_as_they_are()
    saving._build_meta_graph = _made_or_new
    before = _made.set(made)
    try:
        tf.saved_model.save(module, str(folder), signatures=signatures)
    finally:
        _made.reset(before)


def _made_or_new(module: tf.Module, signatures: Any, options: Any, graph: Any) -> Made:
    """Fill a graph, as TensorFlow's function does."""
    made = _made.get()
    if made is None:
        return _build_meta_graph(module, signatures, options, graph)  # type: ignore[no-any-return]
    graph.CopyFrom(made[0])
    return graph, *made[1:]


def _wrap_signatures_as_they_are() -> None:
    """Let TensorFlow wrap signatures without AutoGraph, which takes longer for the first than the wrapping of all."""
    used = signature_serialization.def_function
    if not isinstance(used, SimpleNamespace):
        plain = SimpleNamespace(function=partial(used.function, autograph=False), Function=used.Function)
        signature_serialization.def_function = plain
