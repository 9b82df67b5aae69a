"""Turns raw features into the columns of a linear model, each fitted on the sample."""

from collections.abc import Iterator, Sequence
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


Entry = tuple[int | Codes, NDArray[np.float32]]
"""One entry of each row: its column, one for all rows or [rows], and its value, [rows]."""


class Scalar:
    """A feature of one value a row: few entries a row, whatever its number of columns."""

    width: int

    def entries(self, batch: pa.RecordBatch) -> list[Entry]:
        """Return what is not 0; of a row without a value an entry may be 0, too."""
        raise NotImplementedError

    def columns(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        """Return [rows, width]."""
        return dense([self], batch)


def dense(encodings: Sequence[Scalar], batch: pa.RecordBatch) -> NDArray[np.float32]:
    """Return the columns of several features, [rows, columns]."""
    matrix = np.zeros((batch.num_rows, sum(one.width for one in encodings)), np.float32)
    rows = np.arange(batch.num_rows)
    for column, values in _placed(encodings, batch):
        matrix[rows if isinstance(column, np.ndarray) else slice(None), column] = values
    return matrix


def sparse(encodings: Sequence[Scalar], batch: pa.RecordBatch) -> Any:
    """Return the same as a sparse matrix, in scikit-learn's precision."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    found = list(_placed(encodings, batch))
    shape = (batch.num_rows, len(found))
    values, columns = np.empty(shape, np.float64), np.empty(shape, np.int32)
    for number, entry in enumerate(found):
        columns[:, number], values[:, number] = entry
    starts = np.arange(0, values.size + 1, len(found))
    width = sum(one.width for one in encodings)
    return csr_matrix((values.ravel(), columns.ravel(), starts), (batch.num_rows, width))


def are_sparse(encodings: Sequence[Scalar]) -> bool:
    """Whether so few columns of a row are not 0 that a sparse matrix is faster."""
    return sum(one.width for one in encodings) > _COLUMNS_AN_ENTRY * len(encodings)


_COLUMNS_AN_ENTRY = 4
"""With fewer columns for each feature the products of a dense matrix are faster."""


def _placed(encodings: Sequence[Scalar], batch: pa.RecordBatch) -> Iterator[Entry]:
    """Yield the entries of several features, whose columns lie side by side."""
    start = 0
    for one in encodings:
        for column, values in one.entries(batch):
            yield column + start, values
        start += one.width


class Standardized(Scalar):
    """A number as standard deviations from the sample's mean, clipped to [-10, 10], and a flag for missing values."""

    width = 2

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        values = numbers(batch, name)
        finite = values[np.isfinite(values)]
        self._name = name
        self._mean, self._deviation = (float(finite.mean()), float(finite.std()) or 1.0) if finite.size else (0.0, 1.0)

    def entries(self, batch: pa.RecordBatch) -> list[Entry]:
        """Return the numbers, and the flags where a value is missing."""
        scaled = (numbers(batch, self._name) - self._mean) / self._deviation
        missing = ~np.isfinite(scaled)
        values = np.where(missing, 0, np.clip(scaled, -10, 10)).astype(np.float32)
        return [(0, values), (1, missing.astype(np.float32))] if missing.any() else [(0, values)]


class OneHot(Scalar):
    """A column per common value."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name, self._vocabulary = name, Vocabulary()
        codes, values = categories(batch, name)
        counts = np.bincount(codes[codes != MISSING], minlength=len(values))
        common = np.argsort(-counts, kind="stable")[:ONE_HOT_VALUES]
        self._vocabulary.add(np.zeros(0, np.int32), [values[code] for code in common])
        self.width = len(self._vocabulary.values)

    def entries(self, batch: pa.RecordBatch) -> list[Entry]:
        """Return a 1 in the column of the value; a 0 for one that is missing or not common."""
        codes: Codes = self._vocabulary.look_up(*categories(batch, self._name))
        is_common = codes != MISSING
        return [] if not self.width else [(np.where(is_common, codes, 0), is_common.astype(np.float32))]


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
