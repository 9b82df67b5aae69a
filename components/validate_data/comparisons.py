"""Compares the newest span with the one before it, and what is trained on with what the server got."""

import math
from typing import Literal, NamedTuple

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from artifacts.schema import derived
from artifacts.schema.schema_file import SERVING, TRAINING, SchemaFile
from artifacts.statistics.features import by_name, common_statistics, examples, mostly_different
from artifacts.statistics.words import unseen_share
from components.validate_data.lint import may_be_absent
from core.decision import Check, Verdict

_METHODS = {"L_INFTY": "largest change of a value's share", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence"}


_SHARE = anomalies_pb2.DriftSkewInfo.Measurement.UNKNOWN
_UNSEEN = "share of words that were not there before"


class Side(NamedTuple):
    """One of the two sets of data that are compared."""

    name: str
    statistics: statistics_pb2.DatasetFeatureStatisticsList
    """What is validated: the features, and what the schema declares as derived from them."""
    derived: statistics_pb2.DatasetFeatureStatisticsList = statistics_pb2.DatasetFeatureStatisticsList()
    """All that is derived from texts and images."""

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

    @property
    def sides(self) -> tuple[Side, Side]:
        """What is compared, and what with."""
        return self.now, self.before


def compare(comparison: Comparison, file: SchemaFile, min_examples: int) -> tuple[list[Check], anomalies_pb2.Anomalies]:
    """Check each feature that has a comparator; undecided when it could not be measured, or on too few rows."""
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
        next_step=f"complete {side.name}: with fewer rows nothing can be said about {kind}; "
        "or lower validate_data.min_examples",
    )


def _check(
    comparison: Comparison, feature: str, measured: anomalies_pb2.DriftSkewInfo.Measurement | None, file: SchemaFile
) -> Check:
    what = f"{feature}: {comparison.kind} from {comparison.before.name} to {comparison.now.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    origin = derived.derived_from(file.features[feature])
    if origin.deriver == derived.UNSEEN_WORDS:
        return _unseen_words(comparison, origin.source, file)
    if may_be_absent(file.features[feature]) and not all(_has_values(side, feature) for side in comparison.sides):
        return Check(
            rule=f"{what}: it may be absent, and is", slice=comparison.now.name, verdict=Verdict.PASS, next_step=""
        )
    if measured is not None and schema_method(measured) == "L_INFTY" and _notices_nothing(comparison, feature):
        return Check(
            rule=f"{what} can be noticed: the infinity norm compares shares of values, "
            "and nearly every one is different",
            slice=comparison.now.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"declare `natural_language_domain {{}}` or `image_domain {{}}` for {feature} and bounds "
            "on what is "
            f"derived from it (`mlops schema propose` shows how), or drop the comparator at {place}",
        )
    if measured is None or not math.isfinite(measured.value):
        return Check(
            rule=f"{what} can be measured",
            slice=comparison.now.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"look for a side where {feature} has no value or another type; its bound stands at {place}",
        )
    return _bounded(comparison, feature, measured, file)


def _bounded(
    comparison: Comparison, feature: str, measured: anomalies_pb2.DriftSkewInfo.Measurement, file: SchemaFile
) -> Check:
    """Hold what was measured against its bound."""
    what = f"{feature}: {comparison.kind} from {comparison.before.name} to {comparison.now.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    rule = f"{what} <= {measured.threshold:g} ({_METHODS.get(schema_method(measured), _UNSEEN)})"
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


def _has_values(side: Side, feature: str) -> bool:
    found = by_name(side.statistics).get(feature)
    return found is not None and common_statistics(found).num_non_missing > 0


def _notices_nothing(comparison: Comparison, feature: str) -> bool:
    """Tell whether a feature is a text, an image or an identifier: its values have no shares worth comparing."""
    found = [by_name(side.statistics).get(feature) for side in comparison.sides]
    return any(one is not None and (one.HasField("bytes_stats") or mostly_different(one)) for one in found)


def _unseen_words(comparison: Comparison, source: str, file: SchemaFile) -> Check:
    """Compare the words of a text: which share of them the other data does not have."""
    name = derived.name_of(source, derived.UNSEEN_WORDS)
    key = f"{comparison.kind}_comparator"
    threshold = float(getattr(file.features[name], key).infinity_norm.threshold)
    words = derived.name_of(source, derived.WORDS)
    now, before = (by_name(side.derived).get(words) for side in comparison.sides)
    what = f"{name}: {comparison.kind} from {comparison.before.name} to {comparison.now.name}"
    if now is None or before is None:
        return Check(
            rule=f"{what} can be measured",
            slice=comparison.now.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"look for a side where {source} has no word; its bound stands at {file.place(name, key)}",
        )
    measured = anomalies_pb2.DriftSkewInfo.Measurement(
        type=_SHARE, value=unseen_share(now, before), threshold=threshold
    )
    return _bounded(comparison, name, measured, file)


def schema_method(measured: anomalies_pb2.DriftSkewInfo.Measurement) -> str:
    """Name of the measure that a comparator used."""
    return str(anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(measured.type))


def _next_step(comparison: Comparison, feature: str, place: str) -> str:
    if comparison.kind == "skew":
        return (
            f"find out why the server gets other values of {feature} than the feed; "
            f"if both are right, raise the bound at {place}"
        )
    return (
        f"compare {feature} in the two spans: a broken feed is corrected there; "
        f"if the world changed, raise the bound at {place} or set validate_data.on_drift: continue"
    )
