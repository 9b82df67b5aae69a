"""Confidence intervals of rates, of means and of their differences, for arrays of any shape at once.

A rate has Wilson's score interval (E. B. Wilson, 1927), which holds for few rows and for rates near 0 and 1. Weighted
rows count as (sum of weights)^2 / (sum of squared weights) rows (L. Kish, 1965). The difference of two independent
estimates has the interval that follows from theirs by the method of variance estimates recovery (G. Zou and A. Donner,
2008), which for two rates is R. G. Newcombe's method 10 (1998).
"""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


class Interval(NamedTuple):
    """Estimates with their two-sided intervals; arrays of one shape, NaN where there are no rows."""

    value: Floats
    low: Floats
    high: Floats


def wilson(value: Floats, rows: Floats, confidence: float) -> Interval:
    """Return Wilson's interval of rates; `rows` need not be whole numbers, `confidence` is from 0 to 1."""
    z = _deviations(confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        center = (value + z**2 / (2 * rows)) / (1 + z**2 / rows)
        margin = z / (1 + z**2 / rows) * np.sqrt(value * (1 - value) / rows + z**2 / (4 * rows**2))
    unknown = ~(rows > 0)
    low, high = (np.where(unknown, np.nan, np.clip(end, 0, 1)) for end in (center - margin, center + margin))
    return Interval(np.where(unknown, np.nan, value), low, high)


def normal(value: Floats, error: Floats, confidence: float) -> Interval:
    """Return the normal interval of means with their standard errors."""
    margin = _deviations(confidence) * error
    return Interval(value, value - margin, value + margin)


def difference(first: Interval, second: Interval) -> Interval:
    """Return the interval of the first minus the second, which are of independent rows and of one confidence."""
    value = first.value - second.value
    low = value - np.hypot(first.value - first.low, second.high - second.value)
    high = value + np.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, low, high)


def _deviations(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
