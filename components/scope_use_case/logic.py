"""Checks the scope of a use case before any data is read."""

from pathlib import Path

from components.scope_use_case.config import Config
from core.decision import Check, Decision, Verdict
from core.errors import MlopsError, did_you_mean


def scope(config: Config, decision_path: Path | str) -> Decision:
    """Check the scope and write the decision; MlopsError when a check does not pass."""
    checks = (_primary_metric(config), _beats_baseline(config), _risks(config), _protected_groups(config))
    decision = Decision.of("scope_use_case", checks)
    decision.write(decision_path)
    if not decision.is_open:
        raise MlopsError(f"the scope is not complete: {decision.summary} {decision.next_step}")
    return decision


def _check(
    rule: str, passed: bool, observed: float | str, next_step: str, threshold: float | str | None = None
) -> Check:
    verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(
        rule=rule, threshold=threshold, observed=observed, verdict=verdict, next_step="" if passed else next_step
    )


def _primary_metric(config: Config) -> Check:
    names = [metric.name for metric in config.metrics]
    hint = did_you_mean(config.primary_metric, names)
    return _check(
        "the primary metric has a threshold in problem.metrics",
        config.primary_metric in names,
        config.primary_metric,
        f"config.yaml: scope_use_case.primary_metric is {config.primary_metric!r}{hint}",
    )


def _beats_baseline(config: Config) -> Check:
    """Check that the threshold is not weaker than the baseline, which would let a useless model pass."""
    baseline = config.reference.baseline_value
    threshold, is_strict = None, False
    for metric in config.metrics:
        if metric.name != config.primary_metric:
            continue
        if metric.at_least is not None:
            threshold, is_strict = metric.at_least, metric.at_least >= baseline
        elif metric.at_most is not None:
            threshold, is_strict = metric.at_most, metric.at_most <= baseline
        break
    return _check(
        f"the threshold of {config.primary_metric} is not weaker than the baseline",
        is_strict,
        "no threshold" if threshold is None else threshold,
        f"config.yaml: set the threshold of {config.primary_metric} to the baseline's {baseline:g} or better, "
        "or correct scope_use_case.reference.baseline_value",
        threshold=baseline,
    )


def _risks(config: Config) -> Check:
    count = len(config.risks)
    return _check(
        "at least one risk with its mitigation is listed",
        count > 0,
        float(count),
        "config.yaml: list what can go wrong under scope_use_case.risks",
        1.0,
    )


def _protected_groups(config: Config) -> Check:
    ethics = config.ethics
    return _check(
        "protected groups are listed if there is personal data",
        not ethics.personal_data or bool(ethics.protected_groups),
        ", ".join(ethics.protected_groups) or "none",
        "config.yaml: list the features that describe groups of people under scope_use_case.ethics.protected_groups",
    )
