"""Prunes and orders the tokens of a vocabulary as tf.Transform does, on lists instead of Beam collections."""

import hashlib
from collections import Counter
from heapq import nlargest
from typing import Any

import tensorflow as tf
from tensorflow_transform.beam import analyzer_impls

Counted = list[tuple[Any, Any]]
"""Pairs of a count (or a sum of weights) and a token."""


class Tokens:
    """Counts the tokens of batches."""

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()

    def add(self, values: tuple[Any, ...]) -> None:
        """Count the tokens of a batch."""
        self._counts.update(values[0].tolist())

    def content(self) -> Counter[Any]:
        """Return the counts."""
        return self._counts

    def merge(self, content: Counter[Any]) -> None:
        """Add the counts of other rows."""
        self._counts.update(content)

    def finish(self) -> Counted:
        """Return pairs of a token and its count."""
        return list(self._counts.items())


class WeightedTokens(Tokens):
    """Sums up the weights of the tokens of batches."""

    def add(self, values: tuple[Any, ...]) -> None:
        """Sum up the weights of the tokens of a batch."""
        for token, weight in zip(values[0].tolist(), values[1].tolist(), strict=True):
            self._counts[token] += weight


def pruned(operation: Any, counts: Counted) -> Counted:
    """Drop rare tokens and keep the `top_k`; numbers become text before they are compared, as in tf.Transform."""
    kept = [(count, token) for count, token in counts if count >= (operation.frequency_threshold or 0)]
    if operation.input_dtype != tf.string.name:
        kept = [(count, tf.compat.as_bytes(tf.compat.as_str_any(token))) for count, token in kept]
    if operation.top_k is None:
        return kept
    return _never_empty(nlargest(operation.top_k, kept), operation)


def ordered(operation: Any, counts: Counted) -> list[bytes]:
    """Return the lines of a vocabulary file, ordered by falling count and token, or by the token's hash."""
    if operation.fingerprint_shuffle:
        counts = sorted(counts, key=_hash)
    elif not operation.input_is_sorted:
        counts = sorted(counts, reverse=True)
    counts = _never_empty(counts, operation)
    if operation.store_frequency:
        return [f"{count} {tf.compat.as_str_any(token)}".encode() for count, token in counts]
    return [token for _, token in counts]


def _never_empty(counts: Counted, operation: Any) -> Counted:
    """Add tf.Transform's dummy token to an empty vocabulary, because TensorFlow has no empty tables."""
    return list(analyzer_impls.maybe_add_empty_vocabulary_dummy(counts, operation.input_dtype))


def _hash(pair: tuple[Any, bytes]) -> bytes:
    return hashlib.sha1(pair[1], usedforsecurity=False).digest()
