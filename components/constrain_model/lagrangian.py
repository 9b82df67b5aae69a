"""The constraint as weights and targets of rows: a proxy-Lagrangian whose proxies are cross-entropies.

A. Cotter et al., Two-Player Games for Efficient Non-Convex Constrained Optimization (2019): multipliers follow the true
rates, which count rows above a threshold, and the model follows a smooth proxy of them. The proxy of "this row is
predicted positive" is its probability above the threshold, whose gradient is the same as that of a weighted
cross-entropy with the label 0 or 1. So the constraint is a weight and a target of each row, which the one training loop
takes, as in A. Agarwal et al., A Reductions Approach to Fair Classification (2018), but for a single model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.constrain_model.config import Constraint

Floats = NDArray[np.floating[Any]]
OF: Mapping[Constraint, tuple[str, ...]] = {
    "false_positive_rate": ("false_positive_rate",),
    "true_positive_rate": ("true_positive_rate",),
    "selection_rate": ("selection_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
"""The rates that a constraint is about."""


SHARPNESS = 4.0
"""Of the proxy around the threshold, per unit of the logit: higher is nearer to counting, and moves fewer rows."""


def counted(rate: str, labels: Floats) -> NDArray[np.bool_]:
    """Return which rows a rate is a share of, [rows]."""
    if rate == "selection_rate":
        return np.ones(len(labels), bool)
    return labels > 0 if rate == "true_positive_rate" else labels <= 0


class Targets(NamedTuple):
    """What the loss gets in place of labels and weights, each [rows]."""

    targets: Floats
    weights: Floats


@dataclass
class Lagrangian:
    """The multipliers of one constraint on the training rows."""

    rates: tuple[str, ...]
    labels: Floats
    """[rows]: 0 or 1."""
    groups: NDArray[np.int64]
    """[rows]: the number of each row's group; -1 for rows of none, which are not constrained."""
    weights: Floats
    """[rows]: of the rates."""
    loss_weights: Floats
    """[rows]: of the loss without a constraint; those of classes are in it."""
    max_gap: float
    step: float
    threshold: float
    multipliers: dict[str, Floats] = field(default_factory=dict)
    """By rate, [groups]: above 0 where a group's rate is held down, below 0 where it is held up."""

    def update(self, scores: Floats) -> Targets:
        """Move the multipliers by what the rates of these scores violate, and return the next epoch's rows."""
        push = np.zeros(len(self.labels))
        for rate in self.rates:
            push += self._push(rate, scores)
        return self._targets(push, scores)

    def _push(self, rate: str, scores: Floats) -> Floats:
        """Return how much each row is pushed down (or up, below 0), [rows]."""
        rows = counted(rate, self.labels) & (self.groups >= 0)
        groups, weights, above = self.groups[rows], self.weights[rows], scores[rows] > self.threshold
        size = int(self.groups.max()) + 1
        total = np.bincount(groups, weights, minlength=size)
        found = np.bincount(groups, weights * above, minlength=size) / np.maximum(total, 1e-12)
        distance = found - np.average(above, weights=weights)
        now = self.multipliers.get(rate, np.zeros(size))
        down = np.maximum(np.maximum(now, 0) + self.step * (distance - self.max_gap / 2), 0)
        up = np.maximum(np.maximum(-now, 0) + self.step * (-distance - self.max_gap / 2), 0)
        self.multipliers[rate] = now = down - up
        # The mean over a group minus the mean over all, as a sum over rows of the training split.
        push = np.zeros(len(self.labels))
        push[rows] = self.loss_weights.sum() * (now[groups] / total[groups] - now.sum() / total.sum()) * weights
        return push

    def _targets(self, push: Floats, scores: Floats) -> Targets:
        """Return the cross-entropy whose gradient is that of the loss and of the pushed probabilities."""
        logit = np.log(np.clip(scores, 1e-7, 1 - 1e-7) / np.clip(1 - scores, 1e-7, 1))
        # Only rows near the threshold can change a rate; the push falls to nothing away from it.
        above = 1 / (1 + np.exp(SHARPNESS * (np.log(self.threshold / (1 - self.threshold)) - logit)))
        slope = SHARPNESS * above * (1 - above)
        positive, negative = self.labels * self.loss_weights, (1 - self.labels) * self.loss_weights
        negative = negative + np.maximum(push, 0) * slope / np.maximum(scores, 1e-3)
        positive = positive + np.maximum(-push, 0) * slope / np.maximum(1 - scores, 1e-3)
        weights = positive + negative
        return Targets(positive / np.maximum(weights, 1e-12), weights)
