"""Compares an evaluation with the configured rules. A number that is missing or not finite keeps the gate closed."""

import math
from collections.abc import Iterator, Mapping
from itertools import chain

from artifacts.evaluation.result import Comparison, EvaluationResult, Slice
from artifacts.evaluation.slices import label
from artifacts.evaluation.spec import CHAMPION, Features
from components.evaluate_model.config import Baseline, Change, Config, SliceThreshold
from components.evaluate_model.scored_parts import ScoredSplit
from core.decision import Bound, Check, Decision, Verdict, compare
from core.errors import did_you_mean
from problems import kind

GATE = "evaluate_model"


def decide(config: Config, result: EvaluationResult, scored: ScoredSplit, champion: str, subject: str = "") -> Decision:
    """Compare the evaluation with every rule.

    `champion` is the reference of the version in production, "" without one; `subject` is the candidate's digest.
    """
    checks = [*_can_be_evaluated(config, result), *_thresholds(config, result)]
    if not result.faults:
        checks += [
            *_slice_thresholds(config, result),
            *_expected_slices(config, result),
            *_against_champion(config, result, champion),
            *_against_baselines(config, result, scored.left_out),
            *_leaks(config, result, scored),
            *_slices_left_out(config, result),
        ]
    return Decision.of(GATE, tuple(checks), subject=subject)


def _check(rule: str, verdict: Verdict, observed: float | str | None, next_step: str, slice: str = "") -> Check:
    return Check(
        rule=rule,
        observed=observed,
        slice=slice,
        verdict=verdict,
        next_step="" if verdict is Verdict.PASS else next_step,
    )


def _can_be_evaluated(config: Config, result: EvaluationResult) -> Iterator[Check]:
    rule = "the eval split and the predictions can be evaluated"
    for fault in result.faults:
        yield _check(rule, Verdict.UNDECIDED, fault, f"Correct the data or the model: {fault}.")
    if not result.faults:
        yield _check(rule, Verdict.PASS, result.slices[0].examples, "")
    verdict = Verdict.PASS if result.distinct > 1 else Verdict.FAIL
    yield _check(
        "the model does not predict the same for all rows",
        verdict,
        "different predictions" if result.distinct > 1 else "one prediction for all rows",
        "The model is a constant: check the training's loss, its features and its learning rate.",
    )
    if not config.metrics:
        step = "config.yaml: add a metric with a threshold to problem.metrics; without one no model is blessed."
        yield _check("at least one threshold is configured", Verdict.UNDECIDED, 0.0, step)


def _thresholds(config: Config, result: EvaluationResult) -> Iterator[Check]:
    numbers = result.overall.candidate if result.overall else {}
    for metric in config.metrics:
        step = f"Train a better model, or correct the threshold of {metric.name} in config.yaml: {metric.why}"
        check = compare(metric.name, numbers.get(metric.name), Bound(metric.at_least, metric.at_most), next_step=step)
        yield check if metric.name in numbers or not numbers else _unknown(check, metric.name, numbers)


def _unknown(check: Check, name: str, numbers: dict[str, float]) -> Check:
    return check.model_copy(
        update={"next_step": f"config.yaml: the evaluation has no metric {name!r}{did_you_mean(name, numbers)}"}
    )


def _slices_of(result: EvaluationResult, features: Features) -> list[Slice]:
    return [item for item in result.slices if {name for name, _ in item.key} == set(features)]


def _large_and_small(config: Config, result: EvaluationResult, features: Features) -> tuple[list[Slice], list[Slice]]:
    """Return the slices of some features that have `min_slice_examples` rows or more, and the others."""
    slices = _slices_of(result, features)
    large = [item for item in slices if not features or item.examples >= config.min_slice_examples]
    return large, [item for item in slices if item not in large]


def _slice_thresholds(config: Config, result: EvaluationResult) -> Iterator[Check]:
    for rule in config.slice_thresholds:
        for features in rule.slices:
            large, small = _large_and_small(config, result, features)
            yield from (_slice_check(rule, item) for item in large)
            yield _coverage(config, f"{rule.metric} of [{', '.join(features)}]", large, small)


def _slice_check(rule: SliceThreshold, item: Slice) -> Check:
    where = label(item.key) or "all rows"
    step = f"The {item.examples} rows of {where} need more data, other features, or a threshold of their own."
    check = compare(rule.metric, item.candidate.get(rule.metric), rule.bound, slice=label(item.key), next_step=step)
    return check if rule.metric in item.candidate else _unknown(check, rule.metric, item.candidate)


def _coverage(config: Config, what: str, large: list[Slice], small: list[Slice]) -> Check:
    """Report the slices that are too small; undecided when all are, because then the rule was applied to nothing."""
    largest = sorted(small, key=lambda item: -item.examples)[:20]
    names = ", ".join(f"{label(item.key)} ({item.examples})" for item in largest)
    verdict = Verdict.PASS if large else Verdict.UNDECIDED
    observed = f"{len(large)} large enough, {len(small)} too small" + (f": {names}" if names else "")
    rule = f"{what} is checked on slices of {config.min_slice_examples} rows or more"
    return _check(
        rule, verdict, observed, "No slice is large enough: take more rows, lower min_slice_examples, or drop the rule."
    )


def _expected_slices(config: Config, result: EvaluationResult) -> Iterator[Check]:
    rows = {frozenset((name, str(value)) for name, value in item.key): item.examples for item in result.slices}
    for expected in config.expected_slices:
        count = rows.get(frozenset(expected.items()), 0)
        verdict = Verdict.PASS if count >= config.min_slice_examples else Verdict(config.absent_slice)
        name = ", ".join(f"{feature}={value}" for feature, value in sorted(expected.items()))
        what = "too small" if count else "absent"
        step = f"The slice {name} is {what}: correct the data, or expected_slices in config.yaml."
        yield _check(
            f"expected slice has {config.min_slice_examples} rows or more", verdict, float(count), step, slice=name
        )


def _against_champion(config: Config, result: EvaluationResult, champion: str) -> Iterator[Check]:
    if not champion:
        alone = config.first_model == "absolute"
        rule = (
            "first model: without a champion all other rules decide"
            if alone
            else "first model: without a champion a person decides"
        )
        yield _check(
            rule,
            Verdict.PASS if alone else Verdict.UNDECIDED,
            "no champion",
            "Push the model by hand, or set first_model: absolute in config.yaml.",
        )
        return
    if result.champion_fault:
        step = "Roll the champion back: no candidate can be compared with it."
        yield _check(
            f"the champion {champion.partition('@')[0]} predicts the same rows",
            Verdict.UNDECIDED,
            result.champion_fault,
            step,
        )
        return
    if not config.change:
        step = "config.yaml: add a rule to evaluate_model.change; without one no model replaces the champion."
        yield _check("at least one rule compares with the champion", Verdict.UNDECIDED, 0.0, step)
    for change in config.change:
        for features in change.slices:
            large, small = _large_and_small(config, result, features)
            yield from (_change_check(change, item) for item in large)
            if features:
                yield _coverage(config, f"change of {change.metric} of [{', '.join(features)}]", large, small)
            elif not large:
                yield compare(f"change of {change.metric}", None, change.bound)


def _change_check(rule: Change, item: Slice) -> Check:
    candidate, champion = item.candidate.get(rule.metric), (item.champion or {}).get(rule.metric)
    difference, step = None, ""
    if candidate is not None and champion is not None:
        difference = candidate - champion
        step = f"Keep the champion: {rule.metric} would go from {champion:.4g} to {candidate:.4g}."
    return compare(f"change of {rule.metric}", difference, rule.bound, slice=label(item.key), next_step=step)


def _against_baselines(config: Config, result: EvaluationResult, left_out: Mapping[str, str]) -> Iterator[Check]:
    comparisons = {one.name: one for one in result.comparisons if one.name != CHAMPION}
    for baseline in config.baselines:
        if not baseline.must_beat:
            continue
        comparison = comparisons.get(baseline.name)
        gain = f"gain in {kind(config.task).skill_name} over {baseline.name}"
        if comparison is not None and _learned_nothing(baseline, comparison, comparisons):
            yield _check(
                gain,
                Verdict.UNDECIDED,
                f"the baseline is no better than a constant prediction ({comparison.skill:.4g})",
                f"config.yaml: remove {baseline.name} from evaluate_model.baselines or set its must_beat: false: "
                "it learned nothing, so beating it means nothing; "
                f"features it could not use: {_listed(left_out) or 'none'}.",
            )
            continue
        low = comparison.gain.low if comparison and math.isfinite(comparison.gain.low) else None
        if low is None:
            verdict, step = Verdict.UNDECIDED, "The gain could not be computed; see the other checks."
        elif low > baseline.margin:
            verdict, step = Verdict.PASS, ""
        else:
            verdict, step = Verdict.FAIL, f"The {baseline.name} baseline is as good: use it, or train a better model."
        yield Check(
            rule=f"{gain}, lower end of {config.confidence:.0%} > {baseline.margin:g}",
            threshold=baseline.margin,
            observed=low,
            verdict=verdict,
            next_step=step,
        )


def _learned_nothing(baseline: Baseline, comparison: Comparison, comparisons: Mapping[str, Comparison]) -> bool:
    """Whether a baseline that should use features predicts a constant, or is exactly as good as `majority`."""
    if baseline.kind != "linear":
        return False
    majority = comparisons.get("majority")
    return comparison.is_constant or (majority is not None and comparison.skill == majority.skill)


def _listed(left_out: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in left_out.items())


def _slices_left_out(config: Config, result: EvaluationResult) -> Iterator[Check]:
    """Report crosses with more slices than `max_slices`; undecided when a rule misses some of their large slices."""
    crosses = [rule.slices for rule in config.slice_thresholds] + [rule.slices for rule in config.change]
    with_rules = {frozenset(features) for features in chain.from_iterable(crosses)}
    for cross in result.left_out:
        smallest = min(item.examples for item in _slices_of(result, cross.features))
        is_partial = smallest >= config.min_slice_examples and frozenset(cross.features) in with_rules
        yield _check(
            f"[{', '.join(cross.features)}] has at most max_slices ({config.max_slices}) slices",
            Verdict.UNDECIDED if is_partial else Verdict.PASS,
            f"the {config.max_slices} largest are evaluated; {cross.slices} more with {cross.rows} rows are not",
            "config.yaml: raise evaluate_model.max_slices or min_slice_examples, or slice by coarser features.",
        )


def _leaks(config: Config, result: EvaluationResult, scored: ScoredSplit) -> Iterator[Check]:
    """Compare the skill of the model and of each single feature with the thresholds of the leak guard."""
    feature_skill = scored.feature_skill
    name = kind(config.task).skill_name
    step = "This may be a label leak: find the feature that is known only after the label is, and remove it."
    if config.leak.suspicious_above is not None:
        yield compare(
            f"{name} of the model, leak guard",
            result.candidate_skill,
            Bound(at_most=config.leak.suspicious_above),
            next_step=step,
        )
    if config.leak.feature_above is not None:
        for feature, value in feature_skill.items():
            if math.isfinite(value) and value > config.leak.feature_above:
                yield compare(
                    f"{name} of the feature {feature} alone, leak guard",
                    value,
                    Bound(at_most=config.leak.feature_above),
                    next_step=f"{feature} alone predicts the label, which may be a label leak: remove it, or raise "
                    "evaluate_model.leak.feature_above if it is known before the label is.",
                )
        best = max((value for value in feature_skill.values() if math.isfinite(value)), default=None)
        if best is None and scored.left_out:
            # No feature can be checked by itself; the check reports that instead of skipping them silently.
            rule = f"{name} of the best single feature, leak guard"
            yield _check(rule, Verdict.PASS, f"no feature has a single value a row: {_listed(scored.left_out)}", "")
        elif best is None or best <= config.leak.feature_above:
            yield compare(
                f"{name} of the best single feature, leak guard",
                best,
                Bound(at_most=config.leak.feature_above),
                next_step=step,
            )
