"""Encodes features for one fold: whatever depends on the label is fitted on the fold's training rows alone.

A number is itself, a flag for missing values and its bin's mean label; a category its mean label; a text, list or
image the score of a linear model of it alone. For training rows, means and scores are made without the row's own part,
so that many values do not look like much information.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from components.select_features.raw_columns import RawColumn
from core.problem import Task
from problems import kind

Floats = NDArray[np.float64]
_BINS = 20
_PARTS = 5
"""Parts of the training rows; the means and scores of one are made from the others."""
_SMOOTHING = 20.0
_MOST_CLASSES = 10
"""Classes whose rates are columns: the first ones."""


@dataclass(frozen=True)
class Encoded:
    """The columns of some features."""

    train: Floats
    """[training rows, columns]."""
    test: Floats
    """[held-out rows, columns]."""
    owners: NDArray[np.int64]
    """[columns]: the index of the feature that a column is of."""
    mains: tuple[int, ...]
    """The column of each feature that stands for it when features are compared with each other."""
    rates: NDArray[np.bool_]
    """[columns]: whether a column is the mean label or the score of a feature, and not its plain value."""


@dataclass(frozen=True)
class Fold:
    """The rows of one selection."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    labels: Floats
    """[all rows]."""
    width: int
    task: Task
    seed: int

    @property
    def targets(self) -> Floats:
        """Labels as [training rows, columns], a column per class for several classes."""
        found = np.asarray(kind(self.task).targets(self.labels[self.train], self.width), np.float64)
        return found.reshape(len(self.train), -1)[:, :_MOST_CLASSES]

    @property
    def parts(self) -> NDArray[np.int64]:
        """The part of each training row."""
        return np.random.default_rng((self.seed, 1)).permutation(len(self.train)) % _PARTS


def encode(columns: list[RawColumn], fold: Fold) -> Encoded:
    """Encode features; columns without features are of width 0."""
    train: list[Floats] = []
    test: list[Floats] = []
    owners: list[int] = []
    mains: list[int] = []
    rates: list[bool] = []
    for index, column in enumerate(columns):
        mains.append(sum(part.shape[1] for part in train))
        for_train, for_test = _encoded(column, fold)
        train.append(for_train)
        test.append(for_test)
        owners += [index] * for_train.shape[1]
        plain = for_train.shape[1] - fold.targets.shape[1]
        rates += [False] * plain + [True] * fold.targets.shape[1]
    empty = np.zeros((len(fold.train), 0)), np.zeros((len(fold.test), 0))
    return Encoded(
        np.hstack([empty[0], *train]),
        np.hstack([empty[1], *test]),
        np.array(owners, np.int64),
        tuple(mains),
        np.array(rates, bool),
    )


def _encoded(column: RawColumn, fold: Fold) -> tuple[Floats, Floats]:
    if column.form == "wide":
        return _scores(column.values, fold)
    if column.form == "category":
        return _rates(column.values + 1, fold)
    values = column.values
    known = values[fold.train][np.isfinite(values[fold.train])]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if known.size else np.zeros(0)
    cells = np.where(np.isfinite(values), np.searchsorted(edges, values, "right") + 1, 0)
    mean, deviation = (known.mean(), known.std() or 1.0) if known.size else (0.0, 1.0)
    scaled = np.nan_to_num(np.clip((values - mean) / deviation, -10, 10))
    missing = (~np.isfinite(values)).astype(np.float64)
    plain = np.stack([scaled, missing] if missing[fold.train].any() else [scaled], axis=1)
    for_train, for_test = _rates(cells, fold)
    return np.hstack([plain[fold.train], for_train]), np.hstack([plain[fold.test], for_test])


def _rates(cells: NDArray[np.integer[Any]], fold: Fold) -> tuple[Floats, Floats]:
    """Return the smoothed mean of the targets in each row's cell."""
    size = int(cells.max()) + 1
    own, targets, parts = cells[fold.train], fold.targets, fold.parts
    mean = targets.mean(axis=0)
    joint = own.astype(np.int64) * _PARTS + parts
    counts = np.bincount(joint, minlength=size * _PARTS).reshape(size, _PARTS)
    train, test = np.zeros(targets.shape), np.zeros((len(fold.test), targets.shape[1]))
    for index, column in enumerate(targets.T):
        sums = np.bincount(joint, column, minlength=size * _PARTS).reshape(size, _PARTS)
        without = sums.sum(axis=1, keepdims=True) - sums, counts.sum(axis=1, keepdims=True) - counts
        rates = (without[0] + _SMOOTHING * mean[index]) / (without[1] + _SMOOTHING)
        train[:, index] = rates[own, parts]
        whole = (sums.sum(axis=1) + _SMOOTHING * mean[index]) / (counts.sum(axis=1) + _SMOOTHING)
        test[:, index] = whole[cells[fold.test]]
    return train, test


def _scores(matrix: Any, fold: Fold) -> tuple[Floats, Floats]:
    """Return the scores of a linear model of one feature."""
    labels, parts = fold.labels[fold.train], fold.parts
    columns = fold.targets.shape[1]
    train = np.zeros((len(fold.train), columns))
    for part in range(_PARTS):
        fit, score = fold.train[parts != part], fold.train[parts == part]
        train[parts == part] = _fitted_scores(matrix, (fit, score), labels[parts != part], fold)
    return train, _fitted_scores(matrix, (fold.train, fold.test), labels, fold)


def _fitted_scores(matrix: Any, rows: tuple[Any, Any], labels: Floats, fold: Fold) -> Floats:
    problem, (fit, score) = kind(fold.task), rows
    model = problem.linear_model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix[fit], labels.astype(np.int64) if problem.has_classes else labels)
    found = np.asarray(problem.linear_scores(model, matrix[score], fold.width), np.float64)
    return found.reshape(len(score), -1)[:, :_MOST_CLASSES]
