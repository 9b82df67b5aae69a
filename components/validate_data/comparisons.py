"""Compares the newest span with the one before it, and what is trained on with what the server got."""

import math
from typing import Literal, NamedTuple

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from artifacts.schema.schema_file import SERVING, TRAINING, SchemaFile
from artifacts.statistics.features import examples
from core.decision import Check, Verdict

_METHODS = {"L_INFTY": "largest change of a value's share", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence"}


class Side(NamedTuple):
    """One of the two sets of data that are compared."""

    name: str
    statistics: statistics_pb2.DatasetFeatureStatisticsList

    @property
    def examples(self) -> int:
        """How many rows it has; a set without any has no statistics at all."""
        return examples(self.statistics)


class Comparison(NamedTuple):
    """What is compared with what, and what is done when they differ by more than the schema allows."""

    kind: Literal["drift", "skew"]
    now: Side
    before: Side
    reaction: Literal["stop", "continue"]


def compare(comparison: Comparison, file: SchemaFile, min_examples: int) -> tuple[list[Check], anomalies_pb2.Anomalies]:
    """Check each feature that has a comparator; one that could not be measured is undecided, and so are too few rows."""
    short = [side for side in (comparison.now, comparison.before) if side.examples < min_examples]
    if short:
        return [_too_few(comparison.kind, side, min_examples) for side in short], anomalies_pb2.Anomalies()
    other = (
        {"previous_statistics": comparison.before.statistics}
        if comparison.kind == "drift"
        else {"serving_statistics": comparison.before.statistics}
    )
    found = tfdv.validate_statistics(
        comparison.now.statistics, file.schema, environment=file.environment(TRAINING), **other
    )
    measured = {
        ".".join(info.path.step): measurement
        for info in found.drift_skew_info
        for measurement in (info.drift_measurements if comparison.kind == "drift" else info.skew_measurements)
    }
    return [_check(comparison, name, measured.get(name), file) for name in _comparable(comparison.kind, file)], found


def _comparable(kind: str, file: SchemaFile) -> list[str]:
    features = [feature for feature in file.schema.feature if feature.HasField(f"{kind}_comparator")]
    if kind == "skew":  # the server is never sent the label
        features = [feature for feature in features if SERVING not in feature.not_in_environment]
    return [feature.name for feature in features]


def _too_few(kind: str, side: Side, min_examples: int) -> Check:
    return Check(
        rule=f"{kind}: {side.name} has at least {min_examples} rows to compare",
        threshold=float(min_examples),
        observed=float(side.examples),
        slice=side.name,
        verdict=Verdict.UNDECIDED,
        next_step=f"complete {side.name}: with fewer rows nothing can be said about {kind}; or lower validate_data.min_examples",
    )


def _check(
    comparison: Comparison, feature: str, measured: anomalies_pb2.DriftSkewInfo.Measurement | None, file: SchemaFile
) -> Check:
    what = f"{feature}: {comparison.kind} from {comparison.before.name} to {comparison.now.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    if measured is None or not math.isfinite(measured.value):
        return Check(
            rule=f"{what} can be measured",
            slice=comparison.now.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"look for a side where {feature} has no value or another type; its bound stands at {place}",
        )
    rule = f"{what} <= {measured.threshold:g} ({_METHODS.get(schema_method(measured), 'measured change')})"
    holds = measured.value <= measured.threshold
    recorded = not holds and comparison.reaction == "continue"
    return Check(
        rule=rule + (f"; it does not, and validate_data.on_{comparison.kind} says to continue" if recorded else ""),
        threshold=measured.threshold,
        observed=measured.value,
        slice=comparison.now.name,
        verdict=Verdict.PASS if holds or recorded else Verdict.FAIL,
        next_step="" if holds or recorded else _next_step(comparison, feature, place),
    )


def schema_method(measured: anomalies_pb2.DriftSkewInfo.Measurement) -> str:
    """Name of the measure that a comparator used."""
    return str(anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(measured.type))


def _next_step(comparison: Comparison, feature: str, place: str) -> str:
    if comparison.kind == "skew":
        return f"find out why the server gets other values of {feature} than the feed; if both are right, raise the bound at {place}"
    return (
        f"compare {feature} in the two spans: a broken feed is corrected there; "
        f"if the world changed, raise the bound at {place} or set validate_data.on_drift: continue"
    )
