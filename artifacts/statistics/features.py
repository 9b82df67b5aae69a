"""What the statistics of one feature say, whatever its type."""

from typing import TypeAlias

from tensorflow_metadata.proto.v0 import statistics_pb2

Feature: TypeAlias = statistics_pb2.FeatureNameStatistics

_FEWEST = 20
_DIFFERENT = 0.5
"""With more different values than this share, a value occurs less than twice."""


def by_name(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, Feature]:
    """Return the statistics of each feature of a data set; empty when there is no data."""
    return {feature_name(one): one for dataset in statistics.datasets[:1] for one in dataset.features}


def examples(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> int:
    """How many examples were described; a set without any has no statistics at all."""
    return sum(int(dataset.num_examples) for dataset in statistics.datasets)


def feature_name(feature: Feature) -> str:
    """Name of a feature, whichever way its statistics spell it."""
    return str(feature.name or ".".join(feature.path.step))


def is_number(feature: Feature) -> bool:
    """Tell whether a feature is described as numbers, not as categories."""
    return bool(feature.WhichOneof("stats") == "num_stats")


def missing(feature: Feature) -> float:
    """Share of the examples that lack a feature, from 0 to 1."""
    common = common_statistics(feature)
    total = common.num_missing + common.num_non_missing
    return float(common.num_missing / total) if total else 1.0


def common_statistics(feature: Feature) -> statistics_pb2.CommonStatistics:
    """What a feature's statistics have whatever its type."""
    kind = feature.WhichOneof("stats") or "num_stats"
    return getattr(feature, kind).common_stats


def mostly_unique(feature: Feature) -> bool:
    """Tell whether nearly every value of a category is another one, so that the shares of its values say nothing."""
    if feature.WhichOneof("stats") != "string_stats":
        return False
    values = common_statistics(feature).tot_num_values
    return bool(values >= _FEWEST and feature.string_stats.unique > _DIFFERENT * values)
