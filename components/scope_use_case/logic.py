"""Ask a use case's scope the questions that must have an answer before anything is spent."""

from pathlib import Path

from components.scope_use_case.config import Config
from core.decision import Check, Decision, Verdict
from core.errors import MlopsError, did_you_mean


def scope(config: Config, decision_path: Path | str) -> Decision:
    """Judge the scope and write the decision; MlopsError stops the run when a question has no good answer."""
    checks = (_primary_metric(config), _beats_baseline(config), _risks(config), _groups(config))
    decision = Decision.of("scope_use_case", checks)
    decision.write(decision_path)
    if not decision.is_open:
        raise MlopsError(f"the scope is not complete: {decision.summary} {decision.next_step}")
    return decision


def _check(
    rule: str, holds: bool, observed: float | str, next_step: str, threshold: float | str | None = None
) -> Check:
    verdict = Verdict.PASS if holds else Verdict.FAIL
    return Check(
        rule=rule, threshold=threshold, observed=observed, verdict=verdict, next_step="" if holds else next_step
    )


def _primary_metric(config: Config) -> Check:
    names = [metric.name for metric in config.metrics]
    hint = did_you_mean(config.primary_metric, names)
    return _check(
        "the primary metric has a bound in problem.metrics",
        config.primary_metric in names,
        config.primary_metric,
        f"config.yaml: scope_use_case.primary_metric is {config.primary_metric!r}{hint}",
    )


def _beats_baseline(config: Config) -> Check:
    """A bound that the method in use today already meets would let a useless model through."""
    baseline = config.reference.baseline_value
    bounds = [metric for metric in config.metrics if metric.name == config.primary_metric]
    better = [
        m
        for m in bounds
        if (m.at_least is not None and m.at_least >= baseline) or (m.at_most is not None and m.at_most <= baseline)
    ]
    bound = next((m.at_least if m.at_least is not None else m.at_most for m in bounds), None)
    return _check(
        f"the bound on {config.primary_metric} is no weaker than the baseline",
        bool(better),
        "no bound" if bound is None else bound,
        f"config.yaml: raise the bound of {config.primary_metric} to the baseline's {baseline:g}, "
        "or correct scope_use_case.reference.baseline_value",
        threshold=baseline,
    )


def _risks(config: Config) -> Check:
    count = len(config.risks)
    return _check(
        "at least one risk with its mitigation",
        count > 0,
        float(count),
        "config.yaml: name under scope_use_case.risks what can go wrong",
        1.0,
    )


def _groups(config: Config) -> Check:
    ethics = config.ethics
    holds = not ethics.personal_data or bool(ethics.protected_groups)
    return _check(
        "personal data comes with the groups to protect",
        holds,
        ", ".join(ethics.protected_groups) or "none",
        "config.yaml: name under scope_use_case.ethics.protected_groups the features that describe a group of people",
    )
