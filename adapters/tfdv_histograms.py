"""The histogram of equal buckets in TFDV's statistics of a number, by arrays.

TFDV compares each of its buckets with each of some hundred quantiles, which it keeps as messages of protobuf: a third
of all that statistics take. Read from tensorflow-data-validation 1.16.1 (`utils/quantiles_util.py`), which is asked for
the parts of the quantiles; tests/unit/adapters/test_tfdv_histograms.py holds that all numbers are equal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow_data_validation.utils import quantiles_util
from tensorflow_metadata.proto.v0 import statistics_pb2

READ_FROM = "1.16.1"
"""The version of tensorflow-data-validation that this was read from."""

Floats = NDArray[np.float64]
_by_messages = quantiles_util.generate_equi_width_histogram


@contextmanager
def by_arrays() -> Iterator[None]:
    """Have TFDV make its histograms by arrays within the block."""
    quantiles_util.generate_equi_width_histogram = equal_buckets
    try:
        yield
    finally:
        quantiles_util.generate_equi_width_histogram = _by_messages


def equal_buckets(
    quantiles: Floats, cumulative_counts: NDArray[Any], *, num_buckets: int, num_pos_inf: float, **ends: float
) -> statistics_pb2.Histogram:
    """Return the histogram with `num_buckets` buckets; by TFDV's own function unless all values are finite.

    The ends are `finite_min` and `finite_max`.
    """
    least, most = ends["finite_min"], ends["finite_max"]
    is_finite = not num_pos_inf and np.isfinite([least, most]).all() and np.isfinite(quantiles).all()
    bounds = np.linspace(least, most, num_buckets + 1) if is_finite else np.array([np.nan])
    if not np.isfinite(bounds).all() or least == most or (quantiles[:-1] > quantiles[1:]).any():
        return _by_messages(quantiles, cumulative_counts, num_buckets=num_buckets, num_pos_inf=num_pos_inf, **ends)
    low, high, weights = quantiles_util._get_bin_weights(quantiles, cumulative_counts)
    # One after the other, as TFDV adds them up.
    counts = np.cumsum(_shares(bounds, low, high) * weights, axis=1)[:, -1]
    result = statistics_pb2.Histogram(type=statistics_pb2.Histogram.STANDARD)
    for start, end, count in zip(bounds[:-1], bounds[1:], counts, strict=True):
        result.buckets.add(low_value=start, high_value=end, sample_count=count)
    return result


def _shares(bounds: Floats, low: Floats, high: Floats) -> Floats:
    """Return which share of each part of the quantiles falls into each bucket, [buckets, parts].

    A part of no width that lies on a bound belongs to the bucket below it, the least value to the first bucket.
    """
    start, end = bounds[:-1, None], bounds[1:, None]
    is_on_start = (low == high) & (high == start)
    within = np.minimum(high, end) - np.maximum(low, start)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where((start <= low) & (high <= end), 1.0, within / (high - low))
    shares[(high < start) | (low > end) | is_on_start] = 0.0
    shares[0, is_on_start[0]] = 1.0
    return shares
