"""What tf.Transform does with the counts of a vocabulary's tokens, on lists in place of Beam collections."""

import hashlib
from collections import Counter
from heapq import nlargest
from typing import Any

import tensorflow as tf
from tensorflow_transform.beam import analyzer_impls

Counted = list[tuple[Any, Any]]
"""Pairs of a count (or a sum of weights) and a token."""


def add_tokens(counts: Counter[Any], values: tuple[Any, ...]) -> None:
    """Count the tokens of a batch."""
    counts.update(values[0].tolist())


def add_weights(counts: Counter[Any], values: tuple[Any, ...]) -> None:
    """Sum up the weights of the tokens of a batch."""
    for token, weight in zip(values[0].tolist(), values[1].tolist(), strict=True):
        counts[token] += weight


def pruned(operation: Any, counts: Counted) -> Counted:
    """Leave out rare tokens and all but the top; numbers become text before they are compared, as in tf.Transform."""
    kept = [(count, token) for count, token in counts if count >= (operation.frequency_threshold or 0)]
    if operation.input_dtype != tf.string.name:
        kept = [(count, tf.compat.as_bytes(tf.compat.as_str_any(token))) for count, token in kept]
    if operation.top_k is None:
        return kept
    return _never_empty(nlargest(operation.top_k, kept), operation)


def ordered(operation: Any, counts: Counted) -> list[bytes]:
    """Return the lines of a vocabulary: by falling count and token, or by a hash of it; with counts if wanted."""
    if operation.fingerprint_shuffle:
        counts = sorted(counts, key=_hash)
    elif not operation.input_is_sorted:
        counts = sorted(counts, reverse=True)
    counts = _never_empty(counts, operation)
    if operation.store_frequency:
        return [f"{count} {tf.compat.as_str_any(token)}".encode() for count, token in counts]
    return [token for _, token in counts]


def _never_empty(counts: Counted, operation: Any) -> Counted:
    """TensorFlow has no empty tables: tf.Transform puts a token into an empty vocabulary that no data can have."""
    return list(analyzer_impls.maybe_add_empty_vocabulary_dummy(counts, operation.input_dtype))


def _hash(pair: tuple[Any, bytes]) -> bytes:
    return hashlib.sha1(pair[1], usedforsecurity=False).digest()
