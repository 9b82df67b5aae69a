"""The gap of a rate: its highest value among the groups minus its lowest."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.fairness.intervals import Floats, Interval, difference
from artifacts.fairness.rates import Estimates


class Gap(NamedTuple):
    """The gap of one rate at one threshold; NaN when fewer than two groups have the rate."""

    value: float
    low: float
    high: float
    """The upper end of the interval, which a gate compares with its threshold."""
    highest: int
    """The number of the group with the highest rate; -1 without a gap."""
    lowest: int


def gap(found: Estimates, column: int, confidence: float) -> Gap:
    """Return the gap at one threshold, with an interval that holds for however many groups there are.

    The upper end is the highest upper end among the differences of any two groups. One of those is the true gap, and
    its upper end is too low in (1 - confidence) / 2 of the cases, so the highest is too low in no more. The lower end
    is the highest lower end, with the level of all pairs together (Bonferroni).
    """
    known = np.flatnonzero(np.isfinite(found.value[:, column]))
    if len(known) < 2:
        return Gap(np.nan, np.nan, np.nan, -1, -1)
    values = found.value[known, column]
    pairs = len(known) * (len(known) - 1) / 2
    low = np.nanmax(_differences(found, known, column, 1 - (1 - confidence) / pairs)[0])
    high = np.nanmax(_differences(found, known, column, confidence)[1])
    highest, lowest = int(known[np.argmax(values)]), int(known[np.argmin(values)])
    return Gap(float(np.ptp(values)), max(float(low), 0.0), float(high), highest, lowest)


def _differences(found: Estimates, known: NDArray[np.int64], column: int, confidence: float) -> tuple[Floats, Floats]:
    """Return the ends of the intervals of every group's rate minus every other's, each [groups, groups]."""
    value, low, high = (end[known, column] for end in found.interval(confidence))
    rows = Interval(value[:, None], low[:, None], high[:, None])
    columns = Interval(value[None, :], low[None, :], high[None, :])
    every = difference(rows, columns)
    same = np.eye(len(known), dtype=bool)
    return np.where(same, -np.inf, every.low), np.where(same, -np.inf, every.high)
