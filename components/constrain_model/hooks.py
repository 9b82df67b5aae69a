"""Follows the constraint through the epochs of the one training loop, and keeps the weights of the best epoch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from artifacts.fairness.constraint import Epoch
from components.constrain_model.lagrangian import Lagrangian, counted
from problems import kind
from training.fitting import Splits
from training.hooks import Hooks
from training.predictions import Predictions
from training.rows import Rows

Predict = Callable[[Rows], Predictions]


def widest_gap(rates: tuple[str, ...], found: Predictions, groups: NDArray[np.int64], threshold: float) -> float:
    """Return the largest gap of several rates between any two groups."""
    gaps = []
    weights = np.ones(len(found.labels)) if found.weights is None else found.weights
    for rate in rates:
        rows = counted(rate, found.labels) & (groups >= 0)
        size = int(groups.max()) + 1
        total = np.bincount(groups[rows], weights[rows], minlength=size)
        above = np.bincount(groups[rows], (weights * (found.scores > threshold))[rows], minlength=size)
        known = total > 0
        gaps.append(float(np.ptp(above[known] / total[known])))
    return max(gaps)


@dataclass
class Constrained(Hooks):
    """Before each epoch, replaces targets and weights of the training rows; after it, keeps the weights if best.

    The best epoch is the one with the highest AUC on the validation split among those that keep the gap on both splits;
    without such an epoch, the one with the smallest gap.
    """

    resumable = False
    lagrangian: Lagrangian
    splits: Splits
    validation_groups: NDArray[np.int64]
    predict: Predict
    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    _best: tuple[float, float] = (-np.inf, -np.inf)
    _weights: list[Any] = field(default_factory=list)
    _trained: Predictions | None = None
    """Of the training rows, by the model as it is now."""

    def before_epoch(self, model: keras.Model, epoch: int) -> None:  # noqa: ARG002
        """Move the multipliers by the model's own rates."""
        found = self._trained or self.predict(self.splits.training)
        targets, weights = self.lagrangian.update(found.scores)
        self.splits.training.replace(targets[:, None], weights)

    def after_epoch(self, model: keras.Model, epoch: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        """Keep the weights of the best epoch so far."""
        limit, rates, threshold = self.lagrangian.max_gap, self.lagrangian.rates, self.lagrangian.threshold
        validated = self.predict(self.splits.validation)
        self._trained = trained = self.predict(self.splits.training)
        auc = kind("binary_classification").skill(validated.labels, validated.scores, validated.weights)
        gaps = (
            widest_gap(rates, validated, self.validation_groups, threshold),
            widest_gap(rates, trained, self.lagrangian.groups, threshold),
        )
        self.epochs.append(Epoch(gap=gaps[0], training_gap=gaps[1], auc=auc))
        rank = (-max(max(gaps) - limit, 0.0), auc)
        if rank > self._best:
            self._best, self.best_epoch = rank, epoch
            self._weights = [weight.numpy() for weight in model.weights]

    def end(self, model: keras.Model) -> None:
        """Give the model the weights of the best epoch, and the rows their labels back."""
        self.splits.training.replace()
        for weight, value in zip(model.weights, self._weights, strict=True):
            weight.assign(value)

    def kept_epoch(self, epochs: int) -> int:  # noqa: ARG002
        """Return the best epoch."""
        return self.best_epoch
