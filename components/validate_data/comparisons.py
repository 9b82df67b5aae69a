"""Checks for drift, of the newest span from the one before it, and for skew, of the train split from serving data."""

from typing import Literal, NamedTuple

from tensorflow_metadata.proto.v0 import anomalies_pb2

from artifacts.schema import derived
from artifacts.schema.schema_file import SchemaFile
from artifacts.statistics.differences import Dataset, Difference, Found, differences
from core.decision import Check, Verdict


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
    found = differences(comparison.kind, comparison.current, comparison.baseline, file)
    return [_check(comparison, one, file) for one in found.features], found.anomalies


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


def _check(comparison: Comparison, difference: Difference, file: SchemaFile) -> Check:
    feature = difference.feature
    what = f"{feature}: {comparison.kind} from {comparison.baseline.name} to {comparison.current.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    match difference.found:
        case Found.MEASURED:
            return _against_threshold(comparison, difference, file)
        case Found.ABSENT:
            rule, next_step = f"{what}: it is absent, which the schema allows", ""
        case Found.NO_SHARES:
            rule = f"{what} can be detected: the infinity norm compares shares of values, "
            rule += "but nearly every value is different"
            next_step = (
                f"declare `natural_language_domain {{}}` or `image_domain {{}}` for {feature} and thresholds "
                "for features "
                f"derived from it (`mlops schema propose` shows how), or remove the comparator at {place}"
            )
        case Found.NO_WORDS:
            source = derived.derived_from(file.features[feature]).source
            rule = f"{what} can be computed"
            next_step = f"{source} has no words in one of them: correct the data, or remove its threshold at {place}"
        case Found.NOT_COMPUTED:
            rule = f"{what} can be computed"
            next_step = (
                f"{feature} has no value or another type in one of them: correct the data, "
                f"or remove its threshold at {place}"
            )
    verdict = Verdict.PASS if difference.found is Found.ABSENT else Verdict.UNDECIDED
    return Check(rule=rule, slice=comparison.current.name, verdict=verdict, next_step=next_step)


def _against_threshold(comparison: Comparison, difference: Difference, file: SchemaFile) -> Check:
    feature, threshold = difference.feature, difference.threshold
    what = f"{feature}: {comparison.kind} from {comparison.baseline.name} to {comparison.current.name}"
    place = file.place(feature, f"{comparison.kind}_comparator")
    rule = f"{what} <= {threshold:g} ({difference.method})"
    is_within = difference.value <= threshold
    is_ignored = not is_within and comparison.on_difference == "continue"
    return Check(
        rule=rule + (f"; exceeded, but validate_data.on_{comparison.kind} is continue" if is_ignored else ""),
        threshold=threshold,
        observed=difference.value,
        slice=comparison.current.name,
        verdict=Verdict.PASS if is_within or is_ignored else Verdict.FAIL,
        next_step="" if is_within or is_ignored else _next_step(comparison, feature, place),
    )


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
