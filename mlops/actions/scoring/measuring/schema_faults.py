"""Plants faults in the statistics of the run's data, and asks the schema about each."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.examples.names import EVAL
from artifacts.schema.schema_file import TRAINING
from artifacts.statistics import names
from artifacts.statistics.differences import read_datasets
from artifacts.statistics.features import by_name
from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList


def measure(bench: Bench) -> dict[str, Any]:
    """Return how many faults were planted, and those that no rule found."""
    path = bench.subject.artifact("compute_statistics", "statistics")
    if path is None:
        raise MlopsError(f"this store has no statistics of the model in production: {bench.subject.run_command}")
    file = bench.subject.schema_file
    whole = read_datasets(str(path), file.schema)[names.of_split(EVAL)].statistics
    planted, missed = 0, []
    for feature in bench.subject.serving_features:
        for what, broken in _broken(whole, feature):
            planted += 1
            found = tfdv.validate_statistics(broken, file.schema, environment=file.environment(TRAINING))
            if feature.name not in found.anomaly_info:
                missed.append(f"{feature.name}: {what}")
    return {"planted": planted, "missed": missed}


def _broken(whole: Statistics, feature: schema_pb2.Feature) -> Iterator[tuple[str, Statistics]]:
    """Yield copies with one fault of a feature, of the kinds that its type can have."""
    name = feature.name
    present = by_name(whole).get(name)
    if present is None:
        return
    if feature.presence.min_fraction > 0:
        yield "absent", _changed(whole, name, _without_values)
    kind = present.WhichOneof("stats")
    domain = feature.WhichOneof("domain_info")
    if kind == "num_stats" and domain in ("int_domain", "float_domain"):
        bounds = getattr(feature, domain)
        if bounds.HasField("max"):
            yield "too large", _changed(whole, name, lambda one: setattr(one.num_stats, "max", bounds.max + 1))
        if bounds.HasField("min"):
            yield "too small", _changed(whole, name, lambda one: setattr(one.num_stats, "min", bounds.min - 1))
    if kind == "string_stats" and domain == "domain":
        yield "unknown value", _changed(whole, name, _with_unknown_value)


def _changed(whole: Statistics, name: str, change: Any) -> Statistics:
    copied = Statistics()
    copied.CopyFrom(whole)
    change(by_name(copied)[name])
    return copied


def _without_values(feature: Any) -> None:
    """Let every row lack the feature."""
    common = getattr(feature, feature.WhichOneof("stats")).common_stats
    common.num_missing += common.num_non_missing
    common.num_non_missing = 0
    common.tot_num_values = 0


def _with_unknown_value(feature: Any) -> None:
    """Let a third of the values be one that no domain has."""
    buckets = feature.string_stats.rank_histogram.buckets
    total = sum(bucket.sample_count for bucket in buckets) or 1.0
    buckets.add(label="no such value", sample_count=total / 2, low_rank=len(buckets), high_rank=len(buckets))
