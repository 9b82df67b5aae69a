"""Compares the words of a text in two sets of data."""

from artifacts.statistics.features import Feature


def unseen_share(current: Feature, baseline: Feature) -> float:
    """Share of the words, each as often as it occurs, that the other data does not have, from 0 to 1."""
    known = {bucket.label for bucket in baseline.string_stats.rank_histogram.buckets}
    buckets = current.string_stats.rank_histogram.buckets
    unseen = sum(bucket.sample_count for bucket in buckets if bucket.label not in known)
    return float(unseen / max(sum(bucket.sample_count for bucket in buckets), 1))
