"""Simple baselines, fitted on a sample of the train split: a model must beat them, and one feature's shows a leak.

Every baseline predicts a mean per row: [rows] for a binary label or a number, [rows, classes] for several classes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from artifacts.evaluation.columns import MISSING, Vocabulary, categories, numbers
from artifacts.matrix.encodings import (
    Encoding,
    OneHot,
    Picture,
    Scalar,
    Standardized,
    Vector,
    Words,
    are_sparse,
    dense,
    sparse,
)
from artifacts.matrix.usable_features import UsableFeatures
from components.evaluate_model.config import Baseline
from core.problem import Task
from problems import kind

Floats = NDArray[np.float64]
QUANTILES = 20


@dataclass(frozen=True)
class Sample:
    """Rows to fit on: `targets` is [rows] or, for several classes, one-hot [rows, classes]."""

    batch: pa.RecordBatch
    targets: Floats
    task: Task
    usable: UsableFeatures
    weights: Floats | None = None


class Method(Protocol):
    """A fitted baseline."""

    def predict(self, batch: pa.RecordBatch) -> Floats:
        """Predict [rows] or [rows, classes]."""


def fit(baseline: Baseline, sample: Sample) -> Method:
    """Fit the baseline that the configuration names."""
    if baseline.kind == "linear":
        return Linear(sample)
    return RateTable([ValueKey(sample.batch, name) for name in baseline.keys], sample, baseline.smoothing)


def fit_single_feature(name: str, sample: Sample, smoothing: float) -> "RateTable":
    """Fit a rate table of a single raw feature, which finds any relation with the label, monotonic or not."""
    key = QuantileKey(sample.batch, name) if name in sample.usable.numeric else ValueKey(sample.batch, name)
    return RateTable([key], sample, smoothing)


class Key(Protocol):
    """Maps rows to cells 0..size-1 along one feature."""

    size: int

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cell of each row."""


class ValueKey:
    """A cell per value in the sample; the last cell is for missing and unknown values."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name, self._vocabulary = name, Vocabulary()
        self._vocabulary.add(*categories(batch, name))
        self.size = len(self._vocabulary.values) + 1

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cell of each row."""
        codes = self._vocabulary.look_up(*categories(batch, self._name))
        return np.where(codes == MISSING, self.size - 1, codes).astype(np.int64)


class QuantileKey:
    """A cell per quantile of the sample; the last cell is for missing values."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        values = numbers(batch, name)
        finite = values[np.isfinite(values)]
        self._name = name
        self._edges = (
            np.unique(np.quantile(finite, np.linspace(0, 1, QUANTILES + 1)[1:-1])) if finite.size else np.zeros(0)
        )
        self.size = len(self._edges) + 2

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cell of each row."""
        values = numbers(batch, self._name)
        # An edge belongs to the cell above it, so that a feature of two values falls into two cells.
        return np.where(np.isnan(values), self.size - 1, np.searchsorted(self._edges, values, "right")).astype(np.int64)


class RateTable:
    """The label's mean per cell, smoothed towards the overall mean; without keys it is the overall mean."""

    def __init__(self, keys: Sequence[Key], sample: Sample, smoothing: float) -> None:
        self._keys = keys
        targets, weights = sample.targets.reshape(len(sample.targets), -1), sample.weights
        mean = targets.mean(axis=0) if weights is None else np.average(targets, axis=0, weights=weights)
        self._cells, position = np.unique(self.cells(sample.batch), return_inverse=True)
        counts = np.bincount(position, weights).astype(np.float64)
        counted = targets if weights is None else targets * weights[:, None]
        sums = np.stack([np.bincount(position, column) for column in counted.T], axis=1)
        rates = (sums + smoothing * mean) / (counts + smoothing)[:, None]
        self.rates = np.vstack([rates, mean]).reshape(-1, *sample.targets.shape[1:])

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cell of each row, [rows], numbered over the product of all keys."""
        cells = np.zeros(batch.num_rows, np.int64)
        for key in self._keys:
            cells = cells * key.size + key.cells(batch)
        return cells

    def position(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return each row's index in `rates`, [rows]; the last one, the overall mean, for a cell without samples."""
        cells = self.cells(batch)
        position = np.minimum(np.searchsorted(self._cells, cells), len(self._cells) - 1)
        return np.where(self._cells[position] == cells, position, len(self._cells))

    def predict(self, batch: pa.RecordBatch) -> Floats:
        """Predict each row's cell mean."""
        return np.asarray(self.rates[self.position(batch)])


class Linear:
    """A (logistic) regression on numbers, categories, the words of texts and the pixels of images."""

    def __init__(self, sample: Sample) -> None:
        self._kind = kind(sample.task)
        usable, batch = sample.usable, sample.batch
        self._encodings: list[Encoding] = [
            *(Standardized(batch, name) for name in usable.numeric),
            *(OneHot(batch, name) for name in usable.categorical),
            *(Vector(batch, name) for name in usable.vectors),
            *(Words(name) for name in usable.texts),
            *(Picture(name) for name in usable.pictures),
        ]
        targets = sample.targets
        self._classes = targets.shape[1] if targets.ndim == 2 else 2
        is_constant = bool((targets == targets[0]).all()) or not self._encodings
        self._constant = targets.mean(axis=0) if is_constant else None
        if is_constant:
            return
        self._model: Any = self._kind.linear_model()
        with warnings.catch_warnings():
            # A baseline need not converge.
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = np.argmax(targets, axis=1) if targets.ndim == 2 else targets
            self._model.fit(self._matrix(batch), labels, sample_weight=sample.weights)

    def predict(self, batch: pa.RecordBatch) -> Floats:
        """Predict each row's mean."""
        if self._constant is not None:
            return np.broadcast_to(self._constant, (batch.num_rows, *np.shape(self._constant)))
        return np.asarray(self._kind.linear_scores(self._model, self._matrix(batch), self._classes))

    def _matrix(self, batch: pa.RecordBatch) -> Any:
        scalars = [encoding for encoding in self._encodings if isinstance(encoding, Scalar)]
        if len(scalars) == len(self._encodings):
            # Of a sparse matrix a ridge regression is approximated step by step, of a dense one it is solved.
            return (sparse if self._kind.has_classes and are_sparse(scalars) else dense)(scalars, batch)
        parts = [encoding.columns(batch) for encoding in self._encodings]
        if all(isinstance(part, np.ndarray) for part in parts):
            return np.hstack(parts)
        from scipy.sparse import csr_matrix, hstack  # noqa: PLC0415

        return csr_matrix(hstack([csr_matrix(part) for part in parts]))
