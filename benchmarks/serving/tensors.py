"""Turns rows into the tensors of a signature, as people write it beside `tf.saved_model.load`."""

from typing import Any

import tensorflow as tf

_COUNT = "__count"


def tensors(signature: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a tensor per input; a missing value is 0 or "", and the input `<feature>__count` says so."""
    found = {}
    for name, spec in signature.structured_input_signature[1].items():
        feature = name.removesuffix(_COUNT)
        values = [row.get(feature) for row in rows]
        if name.endswith(_COUNT):
            found[name] = tf.constant([int(value is not None) for value in values], spec.dtype)
        else:
            padding = "" if spec.dtype == tf.string else 0
            found[name] = tf.constant([padding if value is None else value for value in values], spec.dtype)
    return found
