"""Turns raw features into the columns of a linear model, each fitted on the sample."""

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from numpy.typing import NDArray

from artifacts.evaluation.columns import MISSING, Codes, Vocabulary, categories, numbers

ONE_HOT_VALUES = 200
"""The most common values of a feature that get a column each; a linear model learns little from rarer ones."""
HASHED_WORDS = 1 << 14
"""Columns that the words of a text are hashed to."""
SIDE = 16
"""Width and height, in pixels, that an image is scaled to."""


class Encoding(Protocol):
    """One feature's columns."""

    def columns(self, batch: pa.RecordBatch) -> Any:
        """Return [rows, columns], dense or sparse."""


class Dense:
    """One feature's columns, which can be written into a matrix of several features without a copy of them."""

    width: int

    def fill(self, batch: pa.RecordBatch, matrix: NDArray[np.float32]) -> None:
        """Write [rows, width]."""
        raise NotImplementedError

    def columns(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        """Return [rows, width]."""
        return filled([self], batch)


def filled(encodings: Sequence[Dense], batch: pa.RecordBatch) -> NDArray[np.float32]:
    """Return the columns of several features, [rows, columns]."""
    ends = np.cumsum([one.width for one in encodings])
    matrix = np.empty((batch.num_rows, ends[-1]), np.float32)
    for one, end in zip(encodings, ends, strict=True):
        one.fill(batch, matrix[:, end - one.width : end])
    return matrix


class Standardized(Dense):
    """A number as standard deviations from the sample's mean, clipped to [-10, 10], and a flag for missing values."""

    width = 2

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        values = numbers(batch, name)
        finite = values[np.isfinite(values)]
        self._name = name
        self._mean, self._deviation = (float(finite.mean()), float(finite.std()) or 1.0) if finite.size else (0.0, 1.0)

    def fill(self, batch: pa.RecordBatch, matrix: NDArray[np.float32]) -> None:
        """Write [rows, 2]."""
        scaled = (numbers(batch, self._name) - self._mean) / self._deviation
        missing = ~np.isfinite(scaled)
        matrix[:, 0] = np.where(missing, 0, np.clip(scaled, -10, 10))
        matrix[:, 1] = missing


class OneHot(Dense):
    """A column per common value."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name, self._vocabulary = name, Vocabulary()
        codes, values = categories(batch, name)
        counts = np.bincount(codes[codes != MISSING], minlength=len(values))
        common = np.argsort(-counts, kind="stable")[:ONE_HOT_VALUES]
        self._vocabulary.add(np.zeros(0, np.int32), [values[code] for code in common])
        self.width = len(self._vocabulary.values)

    def fill(self, batch: pa.RecordBatch, matrix: NDArray[np.float32]) -> None:
        """Write [rows, values]."""
        codes: Codes = self._vocabulary.look_up(*categories(batch, self._name))
        rows = np.flatnonzero(codes != MISSING)
        matrix[:] = 0
        matrix[rows, codes[rows]] = 1


class Vector:
    """The same number of values in every row, each standardized."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name, self._size = name, 0
        values = self._numbers(batch)
        self._mean, self._deviation = values.mean(axis=0), values.std(axis=0)
        self._deviation[self._deviation == 0] = 1

    def columns(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        """Return [rows, numbers]; a row of another length counts as the mean."""
        return np.asarray(np.clip((self._numbers(batch) - self._mean) / self._deviation, -10, 10), np.float32)

    def _numbers(self, batch: pa.RecordBatch) -> NDArray[np.float64]:
        rows = batch.column(batch.schema.get_field_index(self._name)).to_pylist()
        self._size = self._size or max(len(row or ()) for row in rows)
        other = [np.nan] * self._size if not hasattr(self, "_mean") else self._mean.tolist()
        values = np.array([row if row is not None and len(row) == self._size else other for row in rows], np.float64)
        return np.nan_to_num(values)


class Words:
    """A bag of words, hashed and scaled to length 1; a list of words is its own bag."""

    def __init__(self, name: str) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer  # noqa: PLC0415

        self._name = name
        words = r"(?u)\b\w+\b"
        self._hashed = HashingVectorizer(n_features=HASHED_WORDS, alternate_sign=False, token_pattern=words)

    def columns(self, batch: pa.RecordBatch) -> Any:
        """Return [rows, HASHED_WORDS], sparse."""
        rows = batch.column(batch.schema.get_field_index(self._name)).to_pylist()
        return self._hashed.transform([b" ".join(row or ()).decode("utf-8", "replace") for row in rows])


class Picture:
    """An image's gray values, scaled to SIDE by SIDE; zeros for a missing image, or one that cannot be decoded."""

    def __init__(self, name: str) -> None:
        self._name = name

    def columns(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        """Return [rows, SIDE * SIDE], 0 to 1."""
        rows = batch.column(batch.schema.get_field_index(self._name)).to_pylist()
        return np.stack([_pixels(row[0]) if row else np.zeros(SIDE * SIDE, np.float32) for row in rows])


def _pixels(encoded: bytes) -> NDArray[np.float32]:
    try:
        decoded = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return np.zeros(SIDE * SIDE, np.float32)
    scaled = tf.image.resize(tf.cast(decoded, tf.float32) / 255.0, [SIDE, SIDE], antialias=True)
    return np.asarray(tf.reduce_mean(scaled, axis=2).numpy().reshape(-1), np.float32)
