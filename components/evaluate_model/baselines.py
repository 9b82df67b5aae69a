"""The simplest methods, fitted on a sample of the train split: what a model must beat, and what gives a leak away.

Every method predicts a mean per row: [rows] for a binary label or a number, [rows, classes] for several classes.
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
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.evaluation.columns import MISSING, Codes, Vocabulary, categories, numbers
from components.evaluate_model.config import Baseline
from core.problem import Task
from problems import kind

Floats = NDArray[np.float64]
QUANTILES = 20
ONE_HOT_VALUES = 200
"""A feature with more values keeps its commonest ones; a linear model cannot learn from the rest anyway."""


@dataclass(frozen=True)
class Sample:
    """Rows to fit on: `targets` is [rows] or, for several classes, one-hot [rows, classes]."""

    batch: pa.RecordBatch
    targets: Floats
    task: Task
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]

    @classmethod
    def of(cls, batch: pa.RecordBatch, targets: Floats, task: Task, schema: schema_pb2.Schema, label: str) -> "Sample":
        """Tell numbers from categories by the schema."""
        features = [feature for feature in schema.feature if feature.name != label]
        symbols = {
            f.name
            for f in features
            if f.type == schema_pb2.BYTES or (f.type == schema_pb2.INT and f.int_domain.is_categorical)
        }
        numeric = tuple(f.name for f in features if f.name not in symbols)
        return cls(batch, targets, task, numeric, tuple(f.name for f in features if f.name in symbols))

    @property
    def features(self) -> tuple[str, ...]:
        """The features that a baseline can use."""
        return (*self.numeric, *self.categorical)


class Method(Protocol):
    """A fitted baseline."""

    def predict(self, batch: pa.RecordBatch) -> Floats:
        """Predict [rows] or [rows, classes]."""


def fit(baseline: Baseline, sample: Sample) -> Method:
    """Fit the baseline that the configuration names."""
    if baseline.kind == "linear":
        return Linear(sample)
    return RateTable([ValueKey(sample.batch, name) for name in baseline.keys], sample, baseline.smoothing)


def one_feature(name: str, sample: Sample, smoothing: float) -> "RateTable":
    """Fit what a single raw feature tells of the label, whatever the shape of the relation."""
    key = QuantileKey(sample.batch, name) if name in sample.numeric else ValueKey(sample.batch, name)
    return RateTable([key], sample, smoothing)


class Key(Protocol):
    """Maps rows to cells 0..size-1 along one feature."""

    size: int

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cell of each row."""


class ValueKey:
    """A cell per value that the sample has; the last one is for missing and unseen values."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name, self._vocabulary = name, Vocabulary()
        self._vocabulary.add(*categories(batch, name))
        self.size = len(self._vocabulary.values) + 1

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the cell of each row."""
        codes = self._vocabulary.look_up(*categories(batch, self._name))
        return np.where(codes == MISSING, self.size - 1, codes).astype(np.int64)


class QuantileKey:
    """A cell per quantile of the sample; the last one is for missing values."""

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
    """The mean of the label per cell, drawn to the overall mean where a cell has few rows; without keys that mean."""

    def __init__(self, keys: Sequence[Key], sample: Sample, smoothing: float) -> None:
        self._keys = keys
        targets = sample.targets.reshape(len(sample.targets), -1)
        mean = targets.mean(axis=0)
        self._cells, position = np.unique(self.cells(sample.batch), return_inverse=True)
        counts = np.bincount(position).astype(np.float64)
        sums = np.stack([np.bincount(position, column) for column in targets.T], axis=1)
        rates = (sums + smoothing * mean) / (counts + smoothing)[:, None]
        self.rates = np.vstack([rates, mean]).reshape(-1, *sample.targets.shape[1:])

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Number the cell of each row across all keys."""
        cells = np.zeros(batch.num_rows, np.int64)
        for key in self._keys:
            cells = cells * key.size + key.cells(batch)
        return cells

    def position(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Find each row's place in `rates`; the last one, the overall mean, where the sample has no such cell."""
        cells = self.cells(batch)
        position = np.minimum(np.searchsorted(self._cells, cells), len(self._cells) - 1)
        return np.where(self._cells[position] == cells, position, len(self._cells))

    def predict(self, batch: pa.RecordBatch) -> Floats:
        """Predict each row's cell mean."""
        return np.asarray(self.rates[self.position(batch)])


class Linear:
    """A (logistic) regression on standardized numbers, flags of missing numbers and one-hot values."""

    def __init__(self, sample: Sample) -> None:
        self._kind = kind(sample.task)
        self._numeric = [_Standardized(sample.batch, name) for name in sample.numeric]
        self._categorical = [_OneHot(sample.batch, name) for name in sample.categorical]
        matrix, targets = self._matrix(sample.batch), sample.targets
        self._constant = targets[0] if (targets == targets[0]).all() else None
        self._classes = targets.shape[1] if targets.ndim == 2 else 2
        if self._constant is not None:
            return
        self._model: Any = self._kind.linear_model()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # a baseline that stops at 100 rounds is baseline enough
            self._model.fit(matrix, np.argmax(targets, axis=1) if targets.ndim == 2 else targets)

    def predict(self, batch: pa.RecordBatch) -> Floats:
        """Predict each row's mean."""
        if self._constant is not None:
            return np.broadcast_to(self._constant, (batch.num_rows, *np.shape(self._constant)))
        return np.asarray(self._kind.linear_scores(self._model, self._matrix(batch), self._classes))

    def _matrix(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        parts = [*(part.columns(batch) for part in self._numeric), *(part.columns(batch) for part in self._categorical)]
        return np.hstack(parts) if parts else np.zeros((batch.num_rows, 1), np.float32)


class _Standardized:
    """A number as standard deviations from the sample's mean, and a flag where it is missing."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        values = numbers(batch, name)
        finite = values[np.isfinite(values)]
        self._name = name
        self._mean, self._deviation = (float(finite.mean()), float(finite.std()) or 1.0) if finite.size else (0.0, 1.0)

    def columns(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        scaled = (numbers(batch, self._name) - self._mean) / self._deviation
        missing = ~np.isfinite(scaled)
        return np.asarray(np.stack([np.where(missing, 0, np.clip(scaled, -10, 10)), missing], axis=1), np.float32)


class _OneHot:
    """A column per common value."""

    def __init__(self, batch: pa.RecordBatch, name: str) -> None:
        self._name, self._vocabulary = name, Vocabulary()
        codes, values = categories(batch, name)
        common = np.argsort(-np.bincount(codes[codes != MISSING], minlength=len(values)), kind="stable")[
            :ONE_HOT_VALUES
        ]
        self._vocabulary.add(np.zeros(0, np.int32), [values[code] for code in common])

    def columns(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        codes: Codes = self._vocabulary.look_up(*categories(batch, self._name))
        table = np.vstack(
            [
                np.eye(len(self._vocabulary.values), dtype=np.float32),
                np.zeros((1, len(self._vocabulary.values)), np.float32),
            ]
        )
        return np.asarray(table[codes])
