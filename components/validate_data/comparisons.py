"""Checks for drift, of the newest span from the one before it, and for skew, of the train split from serving data."""

import math
from typing import Literal, NamedTuple

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from artifacts.schema import derived
from artifacts.schema.schema_file import SERVING, TRAINING, SchemaFile
from artifacts.statistics.features import by_name, common_statistics, examples, mostly_unique
from artifacts.statistics.words import unseen_share
from components.validate_data.lint import may_be_absent
from core.decision import Check, Verdict

_METHODS = {"L_INFTY": "largest change of a value's share", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence"}
_SHARE = anomalies_pb2.DriftSkewInfo.Measurement.UNKNOWN
_UNSEEN = "share of words that the baseline does not have"


class Dataset(NamedTuple):
    """The statistics of a split, a span or the serving data."""

    name: str
    statistics: statistics_pb2.DatasetFeatureStatisticsList
    """Of the features, and of the derived features that the schema declares."""
    derived: statistics_pb2.DatasetFeatureStatisticsList = statistics_pb2.DatasetFeatureStatisticsList()
    """Of everything that is derived from texts and images."""

    @property
    def examples(self) -> int:
        """Number of rows; a dataset without rows has no statistics."""
        return examples(self.statistics)


class Comparison(NamedTuple):
    """Two datasets to compare, and the reaction to a difference above the schema's threshold."""

    kind: Literal["drift", "skew"]
    current: Dataset
    baseline: Dataset
    on_difference: Literal["stop", "continue"]

    @property
    def datasets(self) -> tuple[Dataset, Dataset]:
        """The current dataset and the baseline."""
        return self.current, self.baseline


def compare(comparison: Comparison, file: SchemaFile, min_examples: int) -> tuple[list[Check], anomalies_pb2.Anomalies]:
    """Check each feature that has a comparator; return the checks and TFDV's anomalies.

    A check is undecided when a dataset has fewer than `min_examples` rows, or the difference could not be computed.
    """
    short = [dataset for dataset in comparison.datasets if dataset.examples < min_examples]
    if short:
        return [_too_few(comparison.kind, dataset, min_examples) for dataset in short], anomalies_pb2.Anomalies()
    key = "previous_statistics" if comparison.kind == "drift" else "serving_statistics"
    anomalies = tfdv.validate_statistics(
        comparison.current.statistics,
        file.schema,
        environment=file.environment(TRAINING),
        **{key: comparison.baseline.statistics},
    )
    measured = {}
    for info in anomalies.drift_skew_info:
        for measurement in info.drift_measurements if comparison.kind == "drift" else info.skew_measurements:
            measured[".".join(info.path.step)] = measurement
    features = _comparable(comparison.kind, file)
    return [_check(comparison, name, measured.get(name), file) for name in features], anomalies


def _comparable(kind: str, file: SchemaFile) -> list[str]:
    features = [feature for feature in file.schema.feature if feature.HasField(f"{kind}_comparator")]
    if kind == "skew":  # the server is never sent the label
        features = [feature for feature in features if SERVING not in feature.not_in_environment]
    return [feature.name for feature in features]


def _too_few(kind: str, dataset: Dataset, min_examples: int) -> Check:
    return Check(
        rule=f"{kind}: {dataset.name} has at least {min_examples} rows to compare",
        threshold=float(min_examples),
        observed=float(dataset.examples),
        slice=dataset.name,
        verdict=Verdict.UNDECIDED,
        next_step=f"add rows to {dataset.name}, because {kind} of fewer rows is noise, "
        "or lower validate_data.min_examples",
    )


def _check(
    comparison: Comparison, feature: str, measured: anomalies_pb2.DriftSkewInfo.Measurement | None, file: SchemaFile
) -> Check:
    what = f"{feature}: {comparison.kind} from {comparison.baseline.name} to {comparison.current.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    origin = derived.derived_from(file.features[feature])
    if origin.deriver == derived.UNSEEN_WORDS:
        return _unseen_words(comparison, origin.source, file)
    if may_be_absent(file.features[feature]) and not all(
        _has_values(dataset, feature) for dataset in comparison.datasets
    ):
        return Check(
            rule=f"{what}: it is absent, which the schema allows",
            slice=comparison.current.name,
            verdict=Verdict.PASS,
            next_step="",
        )
    if measured is not None and method_name(measured) == "L_INFTY" and _has_no_shares(comparison, feature):
        return Check(
            rule=f"{what} can be detected: the infinity norm compares shares of values, "
            "but nearly every value is different",
            slice=comparison.current.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"declare `natural_language_domain {{}}` or `image_domain {{}}` for {feature} and thresholds "
            "for features "
            f"derived from it (`mlops schema propose` shows how), or remove the comparator at {place}",
        )
    if measured is None or not math.isfinite(measured.value):
        return Check(
            rule=f"{what} can be computed",
            slice=comparison.current.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"{feature} has no value or another type in one of them: correct the data, "
            f"or remove its threshold at {place}",
        )
    return _against_threshold(comparison, feature, measured, file)


def _against_threshold(
    comparison: Comparison, feature: str, measured: anomalies_pb2.DriftSkewInfo.Measurement, file: SchemaFile
) -> Check:
    what = f"{feature}: {comparison.kind} from {comparison.baseline.name} to {comparison.current.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    rule = f"{what} <= {measured.threshold:g} ({_METHODS.get(method_name(measured), _UNSEEN)})"
    is_within = measured.value <= measured.threshold
    is_ignored = not is_within and comparison.on_difference == "continue"
    return Check(
        rule=rule + (f"; exceeded, but validate_data.on_{comparison.kind} is continue" if is_ignored else ""),
        threshold=measured.threshold,
        observed=measured.value,
        slice=comparison.current.name,
        verdict=Verdict.PASS if is_within or is_ignored else Verdict.FAIL,
        next_step="" if is_within or is_ignored else _next_step(comparison, feature, place),
    )


def _has_values(dataset: Dataset, feature: str) -> bool:
    statistics = by_name(dataset.statistics).get(feature)
    return statistics is not None and common_statistics(statistics).num_non_missing > 0


def _has_no_shares(comparison: Comparison, feature: str) -> bool:
    """Whether nearly every value of a feature is different, as of a text, an image or an identifier."""
    for dataset in comparison.datasets:
        statistics = by_name(dataset.statistics).get(feature)
        if statistics is not None and (statistics.HasField("bytes_stats") or mostly_unique(statistics)):
            return True
    return False


def _unseen_words(comparison: Comparison, source: str, file: SchemaFile) -> Check:
    """Check which share of a text's words the baseline does not have."""
    name = derived.name_of(source, derived.UNSEEN_WORDS)
    key = f"{comparison.kind}_comparator"
    threshold = float(getattr(file.features[name], key).infinity_norm.threshold)
    words = derived.name_of(source, derived.WORDS)
    current, baseline = (by_name(dataset.derived).get(words) for dataset in comparison.datasets)
    what = f"{name}: {comparison.kind} from {comparison.baseline.name} to {comparison.current.name}"
    if current is None or baseline is None:
        return Check(
            rule=f"{what} can be computed",
            slice=comparison.current.name,
            verdict=Verdict.UNDECIDED,
            next_step=f"{source} has no words in one of them: correct the data, "
            f"or remove its threshold at {file.place(name, key)}",
        )
    measured = anomalies_pb2.DriftSkewInfo.Measurement(
        type=_SHARE, value=unseen_share(current, baseline), threshold=threshold
    )
    return _against_threshold(comparison, name, measured, file)


def method_name(measured: anomalies_pb2.DriftSkewInfo.Measurement) -> str:
    """Return TFDV's name of the method that a measurement was computed with."""
    return str(anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(measured.type))


def _next_step(comparison: Comparison, feature: str, place: str) -> str:
    if comparison.kind == "skew":
        return (
            f"find out why the server is sent other values of {feature} than the train split has; "
            f"if both are right, raise the threshold at {place}"
        )
    return (
        f"compare {feature} in the two spans, and correct the data if it is wrong; "
        f"if the change is real, raise the threshold at {place} or set validate_data.on_drift: continue"
    )
