"""Compares the words of a text feature in two datasets."""

from artifacts.statistics.features import Feature


def unseen_share(current: Feature, baseline: Feature) -> float:
    """Return the share of word occurrences whose word the baseline does not have, from 0 to 1."""
    known = {bucket.label for bucket in baseline.string_stats.rank_histogram.buckets}
    buckets = current.string_stats.rank_histogram.buckets
    unseen = sum(bucket.sample_count for bucket in buckets if bucket.label not in known)
    return float(unseen / max(sum(bucket.sample_count for bucket in buckets), 1))
