"""Confidence intervals of the gain of one predictor over another on the same rows."""

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


def mean(values: Values, weights: Values | None) -> float:
    """Return the (weighted) mean of rows."""
    return float(np.mean(values)) if weights is None else weighted_mean(values, weights)[0]
