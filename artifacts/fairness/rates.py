"""Counts the rows of each group above each threshold, and makes rates of them; all groups and thresholds at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.fairness.intervals import Floats, Interval, normal, wilson
from artifacts.fairness.names import CALIBRATION, Rate


@dataclass(frozen=True)
class Estimates:
    """One rate of each group at each threshold; the arrays are [groups, thresholds]."""

    value: Floats
    """NaN where the rate is a share of no rows."""
    rows: NDArray[np.int64]
    """The rows that the rate is a share of."""
    effective: Floats
    """The same, with weighted rows counted as fewer."""
    error: Floats | None = None
    """The standard error of a mean that is no share."""

    def interval(self, confidence: float) -> Interval:
        """Return every estimate with its interval."""
        if self.error is not None:
            return normal(self.value, self.error, confidence)
        return wilson(self.value, self.effective, confidence)


class Rows(NamedTuple):
    """The rows of a split."""

    labels: Floats
    """[rows]: 0 or 1."""
    scores: Floats
    """[rows]: the probability of 1."""
    weights: Floats | None = None
    """[rows]; None when all are 1."""


def rates(
    rows: Rows, groups: NDArray[np.integer[Any]], size: int, thresholds: Sequence[float]
) -> dict[Rate, Estimates]:
    """Return every rate by name.

    `groups` is the number of each row's group below `size`, or -1 for none; `thresholds` ascend. A row is predicted
    positive when its score is above the threshold, as in TensorFlow Model Analysis. Calibration has one column.
    """
    kept = groups >= 0
    labels, scores, groups = rows.labels[kept] > 0, rows.scores[kept].astype(np.float64), groups[kept]
    weights = np.ones(len(labels)) if rows.weights is None else rows.weights[kept].astype(np.float64)
    passed = np.searchsorted(thresholds, scores, "left")
    cells = (labels * size + groups) * (len(thresholds) + 1) + passed
    shape = (2, size, len(thresholds) + 1)
    counts = [_counts(cells, values, shape) for values in (weights, weights**2, np.ones(len(weights)))]
    found = {rate: _shares(share, *counts) for rate, share in _SHARES.items()}
    found[CALIBRATION] = _calibration(scores - labels, groups, weights, size)
    return found


class _Counts(NamedTuple):
    """Sums over rows, by label, group and threshold."""

    all: Floats
    """[labels, groups, 1]."""
    above: Floats
    """[labels, groups, thresholds]: over the rows above the threshold."""


class _Share(NamedTuple):
    part: Callable[[_Counts], Floats]
    whole: Callable[[_Counts], Floats]


_SHARES: dict[Rate, _Share] = {
    "selection_rate": _Share(lambda counts: counts.above.sum(0), lambda counts: counts.all.sum(0)),
    "true_positive_rate": _Share(lambda counts: counts.above[1], lambda counts: counts.all[1]),
    "false_positive_rate": _Share(lambda counts: counts.above[0], lambda counts: counts.all[0]),
    "false_negative_rate": _Share(lambda counts: counts.all[1] - counts.above[1], lambda counts: counts.all[1]),
    "precision": _Share(lambda counts: counts.above[1], lambda counts: counts.above.sum(0)),
}


def _counts(cells: NDArray[Any], values: Floats, shape: tuple[int, int, int]) -> _Counts:
    sums = np.bincount(cells, values, minlength=int(np.prod(shape))).reshape(shape)
    from_last = np.cumsum(sums[..., ::-1], axis=-1)[..., ::-1]
    return _Counts(from_last[..., :1], from_last[..., 1:])


def _shares(share: _Share, weights: _Counts, squares: _Counts, ones: _Counts) -> Estimates:
    part = share.part(weights)
    whole, squared, rows = (np.broadcast_to(share.whole(one), part.shape) for one in (weights, squares, ones))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Estimates(part / whole, np.rint(rows).astype(np.int64), whole**2 / squared)


def _calibration(errors: Floats, groups: NDArray[Any], weights: Floats, size: int) -> Estimates:
    """Return the mean of score minus label by group, with the standard error of a weighted mean."""
    total, squared = (np.bincount(groups, values, minlength=size) for values in (weights, weights**2))
    rows = np.bincount(groups, minlength=size)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(groups, weights * errors, minlength=size) / total
        spread = np.bincount(groups, weights**2 * (errors - mean[groups]) ** 2, minlength=size)
        error = np.where(rows > 1, np.sqrt(spread) / total, np.nan)
        return Estimates(mean[:, None], rows[:, None], (total**2 / squared)[:, None], error[:, None])
