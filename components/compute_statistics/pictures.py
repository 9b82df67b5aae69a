"""A table of all features, split beside split: how many are missing, what they look like, and small histograms."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.examples.names import EVAL, TRAIN
from artifacts.statistics.features import Feature, by_name, common_statistics, is_number, missing
from artifacts.statistics.names import SERVING, of_split, title
from core import pictures
from core.pictures import Markup, Series

BINS = 24
_SHOWN = (of_split(TRAIN), of_split(EVAL), SERVING)
"""What histograms compare; validation is a sample of train's own spans."""

Statistics: TypeAlias = Mapping[str, statistics_pb2.DatasetFeatureStatisticsList]


def describe(found: Statistics, schema: schema_pb2.Schema) -> Markup:
    """Draw the features of several data sets, in the schema's order and then by name."""
    shown = {name: by_name(found[name]) for name in _SHOWN if name in found}
    known = [feature.name for feature in schema.feature]
    others = sorted({name for features in shown.values() for name in features} - set(known))
    names = [title(name) for name in shown]
    rows = [_row(name, shown) for name in known + others]
    counts = ", ".join(f"{title(name)} {result.datasets[0].num_examples:,}" for name, result in found.items())
    headers = [
        "feature",
        "distribution",
        *(f"missing in {name}" for name in names),
        *(f"{name} looks like" for name in names),
    ]
    return pictures.fragment("Data", f"Examples: {counts}.", pictures.legend(names), pictures.table(headers, rows))


def histograms(features: Sequence[Feature]) -> tuple[list[npt.NDArray[np.float64]], list[str]]:
    """Share of the values in each of up to 24 bars, the same bars for all; and what each bar stands for."""
    if all(is_number(feature) for feature in features):
        return _numbers(features)
    return _categories(features)


def _row(name: str, shown: Mapping[str, Mapping[str, Feature]]) -> list[str | float | None]:
    features = [features.get(name) for features in shown.values()]
    there = [(title(split), feature) for split, feature in zip(shown, features, strict=True) if feature is not None]
    if not there:
        return [name, pictures.muted("no value at all"), *[None] * (2 * len(features))]
    shares, labels = histograms([feature for _, feature in there])
    drawing = pictures.bars(
        [Series(split, list(share)) for (split, _), share in zip(there, shares, strict=True)], labels
    )
    gaps = [None if feature is None else f"{missing(feature):.1%}" for feature in features]
    return [name, drawing, *gaps, *(None if feature is None else _words(feature) for feature in features)]


def _words(feature: Feature) -> str:
    if is_number(feature):
        numbers = feature.num_stats
        return f"{numbers.min:.4g} to {numbers.max:.4g}, mean {numbers.mean:.4g}, deviation {numbers.std_dev:.4g}"
    strings = feature.string_stats
    total = max(common_statistics(feature).tot_num_values, 1)
    top = ", ".join(f"{value.value} {value.frequency / total:.0%}" for value in strings.top_values[:3])
    return f"{strings.unique} values: {top}"


def _numbers(features: Sequence[Feature]) -> tuple[list[npt.NDArray[np.float64]], list[str]]:
    low = min(feature.num_stats.min for feature in features)
    high = max(feature.num_stats.max for feature in features)
    if all(feature.type == statistics_pb2.FeatureNameStatistics.INT for feature in features) and high - low < BINS:
        edges = np.arange(low - 0.5, high + 1.5)  # a bar a number
    else:
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    labels = [f"{left:.4g} to {right:.4g}" for left, right in pairwise(edges)]
    return [_rebin(feature, edges) for feature in features], labels


def _rebin(feature: Feature, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Move a standard histogram to other edges, taking values to lie evenly within a bucket."""
    found = [one for one in feature.num_stats.histograms if one.type == statistics_pb2.Histogram.STANDARD]
    buckets = [bucket for one in found for bucket in one.buckets if bucket.high_value >= bucket.low_value]
    total = sum(bucket.sample_count for bucket in buckets)
    if total <= 0:
        return np.zeros(len(edges) - 1)
    at = [buckets[0].low_value, *(np.nextafter(bucket.high_value, np.inf) for bucket in buckets)]
    below = np.cumsum([0.0, *(bucket.sample_count for bucket in buckets)]) / total
    cumulative = np.interp(edges, at, below)
    cumulative[-1] = 1.0
    return np.diff(cumulative)


def _categories(features: Sequence[Feature]) -> tuple[list[npt.NDArray[np.float64]], list[str]]:
    """Compare the values that are most frequent in the first data set."""
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
