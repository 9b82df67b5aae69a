"""Reads the statistics of one feature, of any type."""

from typing import TypeAlias

from tensorflow_metadata.proto.v0 import statistics_pb2

Feature: TypeAlias = statistics_pb2.FeatureNameStatistics

_FEWEST = 20
"""With fewer values a feature is never taken for mostly unique."""
_DIFFERENT = 0.5
"""Share of different values above which a feature is mostly unique: a value occurs less than twice on average."""


def by_name(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, Feature]:
    """Return the statistics of each feature of a dataset by name; empty when there is no data."""
    return {feature_name(one): one for dataset in statistics.datasets[:1] for one in dataset.features}


def examples(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> int:
    """Return the number of examples."""
    return sum(int(dataset.num_examples) for dataset in statistics.datasets)


def feature_name(feature: Feature) -> str:
    """Return the name of a feature, from `name` or `path`."""
    return str(feature.name or ".".join(feature.path.step))


def is_number(feature: Feature) -> bool:
    """Whether a feature has numeric statistics, not those of categories."""
    return bool(feature.WhichOneof("stats") == "num_stats")


def missing(feature: Feature) -> float:
    """Return the share of the examples that lack a feature, from 0 to 1."""
    common = common_statistics(feature)
    total = common.num_missing + common.num_non_missing
    return float(common.num_missing / total) if total else 1.0


def common_statistics(feature: Feature) -> statistics_pb2.CommonStatistics:
    """Return the statistics that features of every type have."""
    kind = feature.WhichOneof("stats") or "num_stats"
    return getattr(feature, kind).common_stats


def mostly_unique(feature: Feature) -> bool:
    """Whether nearly every value of a text feature is different, so that comparing shares of values is useless."""
    if feature.WhichOneof("stats") != "string_stats":
        return False
    values = common_statistics(feature).tot_num_values
    return bool(values >= _FEWEST and feature.string_stats.unique > _DIFFERENT * values)
