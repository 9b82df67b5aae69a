"""Checks of live metrics, of the labels that are due, and of the model's age."""

import math
from collections.abc import Iterator
from datetime import datetime

from artifacts.evaluation.live import FEWEST
from artifacts.feedback.report import Feedback, VersionMetrics
from artifacts.feedback.report import Metric as LiveMetric
from artifacts.prediction_log import names
from components.monitor_model.config import Config
from components.monitor_model.evaluated import Evaluated
from core.backends.registry import ModelVersion
from core.decision import Bound, Check, Verdict, compare
from core.problem import Metric

_RETRAIN = "retrain on newer data, and compare the slices of the report with the last evaluation"
_SECONDS_PER_DAY = 86_400.0


def live_of(feedback: Feedback, version: int) -> VersionMetrics | None:
    """Return the live metrics of what a version answered as the champion; None when it answered nothing."""
    found = [one for one in feedback.versions if one.version == version and one.role == names.CHAMPION]
    return found[0] if found else None


def performance_checks(config: Config, feedback: Feedback, version: int, evaluated: Evaluated) -> Iterator[Check]:
    """Check each metric of the problem against its bound, and against its value on the evaluation's rows.

    A metric fails when its whole interval is beyond the bound, and is undecided when its value is but its interval is
    not, or when there are too few labels.
    """
    live = live_of(feedback, version)
    for metric in config.metrics:
        is_higher = metric.at_least is not None
        bound = metric.at_least if metric.at_least is not None else metric.at_most
        assert bound is not None
        rule = f"live {metric.name} {'>=' if is_higher else '<='} {bound:g}"
        yield _check(rule, bound, is_higher=is_higher, live=live, name=metric.name)
        drop = config.max_drop.get(metric.name)
        if drop is not None:
            yield _drop_check(metric, drop, live, evaluated)


def _drop_check(metric: Metric, drop: float, live: VersionMetrics | None, evaluated: Evaluated) -> Check:
    is_higher = metric.at_least is not None
    expected = evaluated.metrics.get(metric.name, math.nan)
    side, sign = ("below", ">=") if is_higher else ("above", "<=")
    if not math.isfinite(expected):
        why = evaluated.fault or f"the evaluation has no {metric.name}"
        rule = f"live {metric.name} {sign} its evaluation's, or up to {drop:g} {side} it"
        return Check(rule=rule, verdict=Verdict.UNDECIDED, next_step=f"it cannot be compared: {why}")
    bound = expected - drop if is_higher else expected + drop
    rule = f"live {metric.name} {sign} {bound:.4g}, which is {drop:g} {side} its evaluation's {expected:.4g}"
    return _check(rule, bound, is_higher=is_higher, live=live, name=metric.name)


def _check(rule: str, bound: float, *, is_higher: bool, live: VersionMetrics | None, name: str) -> Check:
    rows = live.window.rows if live is not None else 0
    measured = None if live is None else live.metrics.get(name)
    if measured is None or measured.value is None or measured.low is None or measured.high is None:
        value = None if measured is None else measured.value
        fault = live.fault if live is not None else ""
        few = (
            f"there are {rows} labeled rows of the version in production whose labels are due, and {FEWEST} are needed"
        )
        next_step = fault or few
        return Check(
            rule=f"{rule}: too few labels to decide" if not fault else rule,
            threshold=bound,
            observed=value,
            verdict=Verdict.UNDECIDED,
            next_step=next_step,
        )
    verdict = _verdict(measured, bound, is_higher=is_higher)
    shown = f"{rule} (interval {measured.low:.4g} to {measured.high:.4g}, {rows} rows)"
    next_step = {
        Verdict.PASS: "",
        Verdict.FAIL: _RETRAIN,
        Verdict.UNDECIDED: "it looks worse than the bound, which may be chance: wait for more labels",
    }[verdict]
    return Check(rule=shown, threshold=bound, observed=measured.value, verdict=verdict, next_step=next_step)


def _verdict(measured: LiveMetric, bound: float, *, is_higher: bool) -> Verdict:
    assert measured.value is not None
    assert measured.low is not None
    assert measured.high is not None
    value, best = (measured.value, measured.high) if is_higher else (-measured.value, -measured.low)
    limit = bound if is_higher else -bound
    if value >= limit:
        return Verdict.PASS
    return Verdict.FAIL if best < limit else Verdict.UNDECIDED


def overdue_check(config: Config, feedback: Feedback) -> Check:
    """Check that the labels that are due have arrived."""
    labels = feedback.labels
    due = labels["rows"] - labels["waiting"]
    return compare(
        "labels: share of due labels that have not arrived",
        labels["overdue"] / due if due else None,
        Bound(at_most=config.max_overdue),
        next_step="find out why outcomes do not arrive; live metrics rest on those that do",
    )


def age_check(config: Config, feedback: Feedback, version: ModelVersion) -> Check:
    """Check the age of the version in production, since it was published.

    In a replay of older days the registry's time is after all of them; there the age counts from its first answer.
    """
    as_of, created = datetime.fromisoformat(feedback.as_of), datetime.fromisoformat(version.created)
    since = "it was published"
    if created > as_of:
        first = dict(feedback.deployments).get(version.version)
        created = datetime.fromisoformat(first) if first else as_of
        since = "its first answer that was read"
    days = (as_of - created).total_seconds() / _SECONDS_PER_DAY
    bound = Bound(at_most=config.staleness.max_model_age_days)
    return compare(f"age: days of version {version.version} since {since}", days, bound, next_step=_RETRAIN)
