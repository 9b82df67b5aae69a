"""How many rows a comparison needs, so that chance alone stays below its bound."""

import math
from statistics import NormalDist
from typing import Final

NEVER: Final = math.inf
"""The baseline itself has too few rows."""
BINS: Final = 20
"""TensorFlow Data Validation compares two histograms of ten buckets each on the edges of both."""


def for_shares(threshold: float, values: int, baseline_rows: int, confidence: float) -> float:
    """Return the rows at which the largest change of a value's share stays below a threshold by chance.

    By Hoeffding's inequality for the difference of two shares, for all `values` at once.
    """
    allowed = 2 * threshold**2 / math.log(2 * max(values, 2) / (1 - confidence))
    return _rows(allowed, baseline_rows)


def for_divergence(threshold: float, baseline_rows: int, confidence: float, bins: int = BINS) -> float:
    """Return the rows at which the Jensen-Shannon divergence, in bits, stays below a threshold by chance.

    8 ln 2 times the divergence of two samples of one distribution, over 1/n + 1/m, is about chi squared with a degree
    of freedom less than there are bins.
    """
    allowed = 8 * math.log(2) * threshold / _chi_squared(bins - 1, confidence)
    return _rows(allowed, baseline_rows)


def _rows(allowed: float, baseline_rows: int) -> float:
    """Solve 1 / rows + 1 / baseline_rows = allowed."""
    rest = allowed - (1 / baseline_rows if baseline_rows else math.inf)
    return math.ceil(1 / rest) if rest > 0 else NEVER


def _chi_squared(freedom: int, confidence: float) -> float:
    """Return a quantile of the chi squared distribution, by Wilson and Hilferty's cube."""
    z, ninth = NormalDist().inv_cdf(confidence), 2 / (9 * freedom)
    return freedom * float(1 - ninth + z * math.sqrt(ninth)) ** 3
