"""Checks of the rows that were answered: they fit the schema, and differ little from training and the window before."""

import math
from typing import NamedTuple

import tensorflow_data_validation as tfdv

from artifacts.schema import derived
from artifacts.schema.anomalies import explain
from artifacts.schema.schema_file import SERVING, SchemaFile
from artifacts.statistics import sample_size
from artifacts.statistics.differences import METHODS, Dataset, Difference, Found, Kind, differences
from artifacts.statistics.features import Feature, by_name, is_number, missing, mostly_unique
from artifacts.statistics.words import unseen_share
from components.monitor_model.config import Config
from core.decision import Bound, Check, Verdict, compare

_TRAINING = "the training data"
_CHANGED_DATA = "find out what changed where the requests come from; if the change is real, retrain"


class Rows(NamedTuple):
    """The datasets that are compared; one without rows is None."""

    training: Dataset
    current: Dataset | None
    previous: Dataset | None


class _Comparison(NamedTuple):
    """One feature of two datasets."""

    kind: Kind
    current: Dataset
    baseline: Dataset
    difference: Difference
    place: str
    """Where the schema has its comparator."""


def data_checks(config: Config, rows: Rows, file: SchemaFile) -> list[Check]:
    """Check the rows of the current window; undecided where there are too few."""
    checks = [_enough(config, "the newest window", rows.current)]
    if rows.current is None or checks[0].verdict is not Verdict.PASS:
        return checks
    checks += _schema_checks(rows.current, file)
    checks += _comparisons(config, "skew", rows.current, rows.training, file)
    checks += _feature_checks(config, rows.current, rows.training, file)
    before = _enough(config, "the window before the newest", rows.previous)
    if rows.previous is not None and before.verdict is Verdict.PASS:
        checks += _comparisons(config, "drift", rows.current, rows.previous, file)
    else:
        checks.append(before)
    return checks


def _enough(config: Config, name: str, dataset: Dataset | None) -> Check:
    rows = dataset.examples if dataset is not None else 0
    is_enough = rows >= config.min_rows
    return Check(
        rule=f"{name} has at least {config.min_rows} answered rows",
        threshold=float(config.min_rows),
        observed=float(rows),
        verdict=Verdict.PASS if is_enough else Verdict.UNDECIDED,
        next_step="" if is_enough else "wait for more requests, or widen join_feedback.window_days",
    )


def _schema_checks(current: Dataset, file: SchemaFile) -> list[Check]:
    found = tfdv.validate_statistics(current.statistics, file.schema, environment=file.environment(SERVING))
    faults = explain(found, file)
    rule = "requests: {} fits the schema"
    if not faults:
        return [Check(rule=rule.format("every feature"), verdict=Verdict.PASS)]
    return [
        Check(
            rule=rule.format(fault.feature or "the data"),
            observed=fault.description,
            slice=fault.feature,
            verdict=Verdict.FAIL,
            next_step=fault.fix,
        )
        for fault in faults
    ]


def _comparisons(config: Config, kind: Kind, current: Dataset, baseline: Dataset, file: SchemaFile) -> list[Check]:
    # `differences` measures from its second dataset to its first; both measures are symmetric.
    pair = (baseline, current) if kind == "skew" else (current, baseline)
    found = [one for one in differences(kind, *pair, file).features if one.feature not in _labels(file)]
    place = {one.feature: file.place(one.feature, f"{kind}_comparator") for one in found}
    return [_comparison(config, _Comparison(kind, current, baseline, one, place[one.feature])) for one in found]


def _labels(file: SchemaFile) -> set[str]:
    """The features that no request has."""
    return {feature.name for feature in file.schema.feature if SERVING in feature.not_in_environment}


def _comparison(config: Config, comparison: _Comparison) -> Check:
    kind, difference = comparison.kind, comparison.difference
    feature = difference.feature
    what = f"{kind}: difference of {feature} from " + (_TRAINING if kind == "skew" else "the window before")
    if difference.found is Found.ABSENT:
        return Check(
            rule=f"{what}: the feature is absent, which the schema allows", slice=feature, verdict=Verdict.PASS
        )
    if difference.found is not Found.MEASURED:
        return Check(
            rule=f"{what} can be computed",
            observed=difference.found.value,
            slice=feature,
            verdict=Verdict.UNDECIDED,
            next_step=f"correct the requests, or the comparator at {comparison.place}",
        )
    bounds = config.skew_bounds if kind == "skew" else config.drift_bounds
    threshold = bounds.get(feature, difference.threshold)
    needed = _needed_rows(config, comparison, threshold)
    rule = f"{what} <= {threshold:g} ({difference.method})"
    rows = comparison.current.examples
    if rows < needed:
        wanted = "more rows in the baseline" if math.isinf(needed) else f"{needed:.0f} rows"
        return Check(
            rule=f"{rule}: too few rows to decide",
            threshold=threshold,
            observed=difference.value,
            slice=feature,
            verdict=Verdict.UNDECIDED,
            next_step=f"chance alone exceeds this bound with {rows} rows; it needs {wanted}",
        )
    is_within = difference.value <= threshold
    return Check(
        rule=rule,
        threshold=threshold,
        observed=difference.value,
        slice=feature,
        verdict=Verdict.PASS if is_within else Verdict.FAIL,
        next_step="" if is_within else f"{_CHANGED_DATA}, or raise monitor_model.{kind}_bounds.{feature}",
    )


def _needed_rows(config: Config, comparison: _Comparison, threshold: float) -> float:
    _, current, baseline, difference, _ = comparison
    if difference.method == METHODS["JENSEN_SHANNON_DIVERGENCE"]:
        needed = sample_size.for_divergence(threshold, baseline.examples, config.confidence)
    else:
        values = max(_unique(current, difference.feature), _unique(baseline, difference.feature))
        needed = sample_size.for_shares(threshold, values, baseline.examples, config.confidence)
    return max(needed, config.min_rows)


def _unique(dataset: Dataset, name: str) -> int:
    feature = by_name(dataset.statistics).get(name)
    return int(feature.string_stats.unique) if feature is not None and not is_number(feature) else 2


def _feature_checks(config: Config, current: Dataset, training: Dataset, file: SchemaFile) -> list[Check]:
    """Check each feature of a request for values that are missing, and for values that training did not have."""
    checks = []
    now, then = by_name(current.statistics), by_name(training.statistics)
    left_out = _labels(file) | {one.name for one in file.schema.feature if derived.is_derived(one)}
    for feature in file.schema.feature:
        if feature.name not in left_out and feature.name in then:
            checks.append(_missing(config, feature.name, now.get(feature.name), then[feature.name]))
        if feature.name not in left_out and _has_values(now.get(feature.name)) and _has_values(then.get(feature.name)):
            checks.append(_new_values(config, feature.name, now[feature.name], then[feature.name]))
    return checks


def _missing(config: Config, name: str, now: Feature | None, then: Feature) -> Check:
    change = abs((1.0 if now is None else missing(now)) - missing(then))
    rule = f"missing: change of the share of rows without {name} from {_TRAINING}"
    return compare(rule, change, Bound(at_most=config.max_missing_change), name, _CHANGED_DATA)


def _has_values(feature: Feature | None) -> bool:
    """Whether a feature has values that occur again and again."""
    return feature is not None and feature.WhichOneof("stats") == "string_stats" and not mostly_unique(feature)


def _new_values(config: Config, name: str, now: Feature, then: Feature) -> Check:
    rule = f"new values: share of the values of {name} that are not in {_TRAINING}"
    return compare(rule, unseen_share(now, then), Bound(at_most=config.max_new_values), name, _CHANGED_DATA)
