"""Measures how far each feature of a dataset is from that of a baseline, by the comparators of the schema."""

import math
from enum import StrEnum
from typing import Literal, NamedTuple

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from artifacts.schema import derived
from artifacts.schema.schema_file import SERVING, TRAINING, SchemaFile
from artifacts.statistics import folder
from artifacts.statistics.features import by_name, common_statistics, examples, mostly_unique
from artifacts.statistics.words import unseen_share

Kind = Literal["drift", "skew"]
"""Between two spans, or between training and serving data; each has comparators of its own in the schema."""
METHODS = {"L_INFTY": "largest change of a value's share", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon divergence"}
UNSEEN = "share of words that the baseline does not have"


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


class Found(StrEnum):
    """What became of a comparison."""

    MEASURED = "measured"
    ABSENT = "absent"
    """A dataset has no value of the feature, which the schema allows."""
    NO_SHARES = "no shares"
    """Nearly every value is different, so that shares of values say nothing."""
    NO_WORDS = "no words"
    NOT_COMPUTED = "not computed"
    """The feature has no value, or another type, in one of the datasets."""


class Difference(NamedTuple):
    """How far a feature is from the baseline."""

    feature: str
    found: Found
    method: str = ""
    """What was measured, for people."""
    value: float = math.nan
    threshold: float = math.nan
    """As the schema has it."""


class Differences(NamedTuple):
    """The differences of all features that have a comparator, and TFDV's anomalies."""

    features: list[Difference]
    anomalies: anomalies_pb2.Anomalies


def read_datasets(statistics: str, schema: schema_pb2.Schema) -> dict[str, Dataset]:
    """Read the statistics by name, with those derived features that the schema declares; raises as `folder.read`."""
    derived_statistics = folder.read_derived(statistics)
    declared = {feature.name for feature in schema.feature if derived.is_derived(feature)}
    datasets = {}
    for name, features in folder.read(statistics).items():
        all_derived = derived_statistics.get(name, statistics_pb2.DatasetFeatureStatisticsList())
        if features.datasets:
            features.datasets[0].features.extend(
                feature for key, feature in by_name(all_derived).items() if key in declared
            )
        datasets[name] = Dataset(name, features, all_derived)
    return datasets


def differences(kind: Kind, current: Dataset, baseline: Dataset, file: SchemaFile) -> Differences:
    """Measure each feature that has a comparator of this kind; the label is left out of skew: no server is sent it."""
    key = "previous_statistics" if kind == "drift" else "serving_statistics"
    anomalies = tfdv.validate_statistics(
        current.statistics, file.schema, environment=file.environment(TRAINING), **{key: baseline.statistics}
    )
    measured = {}
    for info in anomalies.drift_skew_info:
        for measurement in info.drift_measurements if kind == "drift" else info.skew_measurements:
            measured[".".join(info.path.step)] = measurement
    names = [feature.name for feature in file.schema.feature if _is_compared(feature, kind)]
    pair = (current, baseline)
    return Differences([_difference(kind, pair, file.features[name], measured.get(name)) for name in names], anomalies)


def _is_compared(feature: schema_pb2.Feature, kind: Kind) -> bool:
    is_sent = kind == "drift" or SERVING not in feature.not_in_environment
    is_disabled = feature.lifecycle_stage == schema_pb2.DISABLED  # TFDV has no statistics to compare
    return is_sent and not is_disabled and bool(feature.HasField(f"{kind}_comparator"))


def _difference(
    kind: Kind,
    pair: tuple[Dataset, Dataset],
    feature: schema_pb2.Feature,
    measured: anomalies_pb2.DriftSkewInfo.Measurement | None,
) -> Difference:
    name = feature.name
    origin = derived.derived_from(feature)
    if origin.deriver == derived.UNSEEN_WORDS:
        return _unseen_words(kind, pair, feature, origin.source)
    if may_be_absent(feature) and not all(has_values(dataset, name) for dataset in pair):
        return Difference(name, Found.ABSENT)
    if measured is not None and _method(measured) == "L_INFTY" and _has_no_shares(pair, name):
        return Difference(name, Found.NO_SHARES)
    if measured is None or not math.isfinite(measured.value):
        return Difference(name, Found.NOT_COMPUTED)
    method = METHODS.get(_method(measured), UNSEEN)
    return Difference(name, Found.MEASURED, method, measured.value, measured.threshold)


def _unseen_words(kind: Kind, pair: tuple[Dataset, Dataset], feature: schema_pb2.Feature, source: str) -> Difference:
    """Measure which share of a text's words the baseline does not have."""
    words = derived.name_of(source, derived.WORDS)
    current, baseline = (by_name(dataset.derived).get(words) for dataset in pair)
    if current is None or baseline is None:
        return Difference(feature.name, Found.NO_WORDS)
    threshold = float(getattr(feature, f"{kind}_comparator").infinity_norm.threshold)
    return Difference(feature.name, Found.MEASURED, UNSEEN, unseen_share(current, baseline), threshold)


def may_be_absent(feature: schema_pb2.Feature) -> bool:
    """Whether the schema explicitly allows every row to lack a feature: `presence { min_fraction: 0 }`."""
    presence = feature.presence
    return bool(presence.HasField("min_fraction") and presence.min_fraction == 0 and not presence.min_count)


def has_values(dataset: Dataset, feature: str) -> bool:
    """Whether any row of a dataset has a value of a feature."""
    statistics = by_name(dataset.statistics).get(feature)
    return statistics is not None and common_statistics(statistics).num_non_missing > 0


def _has_no_shares(pair: tuple[Dataset, Dataset], feature: str) -> bool:
    """Whether nearly every value of a feature is different, as of a text, an image or an identifier."""
    for dataset in pair:
        statistics = by_name(dataset.statistics).get(feature)
        if statistics is not None and (statistics.HasField("bytes_stats") or mostly_unique(statistics)):
            return True
    return False


def _method(measured: anomalies_pb2.DriftSkewInfo.Measurement) -> str:
    return str(anomalies_pb2.DriftSkewInfo.Measurement.Type.Name(measured.type))
