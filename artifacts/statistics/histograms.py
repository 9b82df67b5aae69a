"""Histograms of one feature in several datasets, with the same bins."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import statistics_pb2

from artifacts.statistics.features import Feature, common_statistics, is_number

BINS = 24
"""Maximum number of bins."""

Shares: TypeAlias = npt.NDArray[np.float64]
"""[bins]: the share of the values in each bin, from 0 to 1."""


def histograms(features: Sequence[Feature]) -> tuple[list[Shares], list[str]]:
    """Return the share of the values in each bin, per dataset, and the labels of the bins."""
    if all(is_number(feature) for feature in features):
        return _numbers(features)
    return _categories(features)


def list_lengths(features: Sequence[Feature]) -> tuple[list[Shares], list[str]]:
    """Return the share of the rows by their number of values in each bin, per dataset, and the labels of the bins."""
    commons = [common_statistics(feature) for feature in features]
    edges = _edges(
        min(common.min_num_values for common in commons), max(common.max_num_values for common in commons), whole=True
    )
    shares = [_rebinned(common.num_values_histogram.buckets, edges) for common in commons]
    return shares, _labels(edges)


def _numbers(features: Sequence[Feature]) -> tuple[list[Shares], list[str]]:
    whole = all(feature.type == statistics_pb2.FeatureNameStatistics.INT for feature in features)
    low = min(feature.num_stats.min for feature in features)
    edges = _edges(low, max(feature.num_stats.max for feature in features), whole=whole)
    return [_rebin(feature, edges) for feature in features], _labels(edges)


def _edges(low: float, high: float, *, whole: bool) -> Shares:
    if whole and high - low < BINS:
        return np.arange(low - 0.5, high + 1.5)  # one bin per number
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _labels(edges: Shares) -> list[str]:
    return [f"{left:.4g} to {right:.4g}" for left, right in pairwise(edges)]


def _rebin(feature: Feature, edges: Shares) -> Shares:
    """Convert a feature's standard histogram to other bins."""
    buckets: list[statistics_pb2.Histogram.Bucket] = []
    for histogram in feature.num_stats.histograms:
        if histogram.type == statistics_pb2.Histogram.STANDARD:
            buckets += histogram.buckets
    return _rebinned(buckets, edges)


def _rebinned(buckets: Sequence[statistics_pb2.Histogram.Bucket], edges: Shares) -> Shares:
    """Convert buckets to other bins, assuming that values are evenly distributed within a bucket."""
    buckets = [bucket for bucket in buckets if bucket.high_value >= bucket.low_value]
    total = sum(bucket.sample_count for bucket in buckets)
    if total <= 0:
        return np.zeros(len(edges) - 1)
    at = [buckets[0].low_value, *(np.nextafter(bucket.high_value, np.inf) for bucket in buckets)]
    below = np.cumsum([0.0, *(bucket.sample_count for bucket in buckets)]) / total
    cumulative = np.interp(edges, at, below)
    cumulative[-1] = 1.0
    return np.diff(cumulative)


def _categories(features: Sequence[Feature]) -> tuple[list[Shares], list[str]]:
    """Return the shares of the values that are most frequent in the first dataset."""
    counts = [
        {bucket.label: bucket.sample_count for bucket in feature.string_stats.rank_histogram.buckets}
        for feature in features
    ]
    labels = list(counts[0])[:BINS]
    shares = []
    for count in counts:
        total = max(sum(count.values()), 1)
        shares.append(np.array([count.get(label, 0) / total for label in labels]))
    return shares, labels
