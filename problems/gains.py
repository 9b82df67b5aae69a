"""Confidence intervals of the gain of one predictor over another on the same rows."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from problems.kind import Gain

Values = NDArray[np.floating[Any]]


def interval(value: float, error: float, confidence: float) -> Gain:
    """Return a value with the two-sided normal interval of its standard error; `confidence` is from 0 to 1."""
    margin = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return Gain(value - margin, value, value + margin)


def paired(difference: Values, confidence: float, weights: Values | None) -> Gain:
    """Return the (weighted) mean of the rows' differences, [rows], with its confidence interval."""
    if len(difference) < 2:
        return interval(float(np.mean(difference)), float("nan"), confidence)
    if weights is None:
        value = float(np.mean(difference))
        return interval(value, float(np.std(difference, ddof=1)) / np.sqrt(len(difference)), confidence)
    value, error = weighted_mean(difference, weights)
    return interval(value, error, confidence)


def weighted_mean(values: Values, weights: Values) -> tuple[float, float]:
    """Return the weighted mean of independent rows and its standard error; NaN when all weights are 0."""
    total = float(weights.sum())
    if total <= 0:
        return float("nan"), float("nan")
    mean = float(values @ weights / total)
    return mean, float(np.sqrt((weights**2 * (values - mean) ** 2).sum())) / total


def over_seeds(gains: Sequence[Gain], confidence: float) -> Gain:
    """Return the mean of the gains of trainings with different seeds on the same rows, with its interval.

    The noise of the rows is the same in all of them and does not shrink with their number; that of training does.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    values = np.array([one.value for one in gains])
    rows = float(np.mean([(one.high - one.low) / (2 * z) for one in gains]))
    trainings = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return interval(float(values.mean()), float(np.hypot(rows, trainings)), confidence)


def mean(values: Values, weights: Values | None) -> float:
    """Return the (weighted) mean of rows."""
    return float(np.mean(values)) if weights is None else weighted_mean(values, weights)[0]


class OneByOne:
    """Compares predictors one by one, where nothing of one comparison serves another."""

    def skill(self, labels: Values, scores: Values, weights: Values | None = None) -> float:
        """Return the skill of a predictor."""
        raise NotImplementedError

    def gain(
        self, labels: Values, ours: Values, theirs: Values, confidence: float, weights: Values | None = None
    ) -> Gain:
        """Return our skill minus theirs."""
        raise NotImplementedError

    def compare(
        self,
        labels: Values,
        ours: Values,
        others: Mapping[str, Values],
        confidence: float,
        weights: Values | None = None,
    ) -> tuple[float, dict[str, tuple[float, Gain]]]:
        """Return our skill, and by name the skill of others and our gain over them."""
        return self.skill(labels, ours, weights), {
            name: (self.skill(labels, scores, weights), self.gain(labels, ours, scores, confidence, weights))
            for name, scores in others.items()
        }
