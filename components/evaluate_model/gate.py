"""Turns an evaluation's numbers into the gate's checks. What is missing or not finite keeps the gate closed."""

import math
from collections.abc import Iterator, Mapping

from artifacts.evaluation.measured import Comparison, Measured, Slice
from artifacts.evaluation.measures import CHAMPION, Features
from artifacts.evaluation.slices import label
from components.evaluate_model.config import Baseline, Change, Config, SliceThreshold
from components.evaluate_model.scoring import Scored
from core.decision import Bound, Check, Decision, Verdict, compare
from core.errors import did_you_mean
from problems import kind

GATE = "evaluate_model"


def decide(config: Config, measured: Measured, scored: Scored, champion: str, subject: str = "") -> Decision:
    """Compare the numbers with every rule.

    `champion` names the version in production, empty when there is none; `subject` is the candidate's digest.
    """
    checks = [*_sound(config, measured), *_absolute(config, measured)]
    if not measured.faults:
        checks += [
            *_per_slice(config, measured),
            *_expected(config, measured),
            *_against_champion(config, measured, champion),
            *_against_baselines(config, measured, scored.left_out),
            *_leaks(config, measured, scored),
            *_slices_left_out(config, measured),
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


def _sound(config: Config, measured: Measured) -> Iterator[Check]:
    """Check that there is enough to evaluate."""
    rule = "the eval split and the predictions can be measured"
    for fault in measured.faults:
        yield _check(rule, Verdict.UNDECIDED, fault, f"Look at the data and the model: {fault}.")
    if not measured.faults:
        yield _check(rule, Verdict.PASS, measured.slices[0].examples, "")
    verdict = Verdict.PASS if measured.distinct > 1 else Verdict.FAIL
    yield _check(
        "the model tells rows apart",
        verdict,
        "yes" if measured.distinct > 1 else "one prediction for all rows",
        "Look at the training: the model is a constant.",
    )
    if not config.metrics:
        step = "config.yaml: give problem.metrics at least one bound; a model that no bound holds is never blessed."
        yield _check("at least one threshold is configured", Verdict.UNDECIDED, 0.0, step)


def _absolute(config: Config, measured: Measured) -> Iterator[Check]:
    numbers = measured.overall.candidate if measured.overall else {}
    for metric in config.metrics:
        step = f"Train a better model, or correct the bound of {metric.name} in config.yaml: {metric.why}"
        check = compare(metric.name, numbers.get(metric.name), Bound(metric.at_least, metric.at_most), next_step=step)
        yield check if metric.name in numbers or not numbers else _unknown(check, metric.name, numbers)


def _unknown(check: Check, name: str, numbers: dict[str, float]) -> Check:
    return check.model_copy(
        update={"next_step": f"config.yaml: the evaluation has no metric {name!r}{did_you_mean(name, numbers)}"}
    )


def _of(measured: Measured, features: Features) -> list[Slice]:
    return [item for item in measured.slices if {name for name, _ in item.key} == set(features)]


def _large_and_small(config: Config, measured: Measured, features: Features) -> tuple[list[Slice], list[Slice]]:
    """Part the slices of some features into those that are large enough to decide by and the others."""
    found = _of(measured, features)
    large = [item for item in found if not features or item.examples >= config.min_slice_examples]
    return large, [item for item in found if item not in large]


def _per_slice(config: Config, measured: Measured) -> Iterator[Check]:
    for rule in config.slice_thresholds:
        for features in rule.slices:
            large, small = _large_and_small(config, measured, features)
            yield from (_slice_check(rule, item) for item in large)
            yield _coverage(config, f"{rule.metric} of [{', '.join(features)}]", large, small)


def _slice_check(rule: SliceThreshold, item: Slice) -> Check:
    where = label(item.key) or "all of the data"
    step = f"Look at the {item.examples} rows of {where}: more data, other features, or a bound of its own."
    check = compare(rule.metric, item.candidate.get(rule.metric), rule.bound, slice=label(item.key), next_step=step)
    return check if rule.metric in item.candidate else _unknown(check, rule.metric, item.candidate)


def _coverage(config: Config, what: str, large: list[Slice], small: list[Slice]) -> Check:
    """Say which slices are too small; when all are, nothing was checked."""
    names = ", ".join(
        f"{label(item.key)} ({item.examples})" for item in sorted(small, key=lambda item: -item.examples)[:20]
    )
    verdict = Verdict.PASS if large else Verdict.UNDECIDED
    observed = f"{len(large)} large enough, {len(small)} too small" + (f": {names}" if names else "")
    rule = f"{what} is checked on slices of {config.min_slice_examples} rows or more"
    return _check(
        rule, verdict, observed, "No slice is large enough: take more rows, lower min_slice_examples, or drop the rule."
    )


def _expected(config: Config, measured: Measured) -> Iterator[Check]:
    """Look for the slices that must be there."""
    rows = {frozenset((name, str(value)) for name, value in item.key): item.examples for item in measured.slices}
    for expected in config.expected_slices:
        count = rows.get(frozenset(expected.items()), 0)
        verdict = Verdict.PASS if count >= config.min_slice_examples else Verdict(config.absent_slice)
        name = ", ".join(f"{feature}={value}" for feature, value in sorted(expected.items()))
        what = "too small" if count else "absent"
        step = f"The slice {name} is {what}: look at the data, or correct expected_slices in config.yaml."
        yield _check(
            f"expected slice has {config.min_slice_examples} rows or more", verdict, float(count), step, slice=name
        )


def _against_champion(config: Config, measured: Measured, champion: str) -> Iterator[Check]:
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
    if measured.champion_fault:
        step = "Roll the champion back, or retire it, before anything is compared with it."
        yield _check(
            f"the champion {champion.partition('@')[0]} predicts the same rows",
            Verdict.UNDECIDED,
            measured.champion_fault,
            step,
        )
        return
    if not config.change:
        step = "config.yaml: give evaluate_model.change at least one rule; a champion is never replaced unseen."
        yield _check("at least one rule compares with the champion", Verdict.UNDECIDED, 0.0, step)
    for change in config.change:
        for features in change.slices:
            large, small = _large_and_small(config, measured, features)
            yield from (_change_check(change, item) for item in large)
            if features:
                yield _coverage(config, f"change of {change.metric} of [{', '.join(features)}]", large, small)
            elif not large:
                yield compare(f"change of {change.metric}", None, change.bound)


def _change_check(rule: Change, item: Slice) -> Check:
    ours, theirs = item.candidate.get(rule.metric), (item.champion or {}).get(rule.metric)
    difference = None if ours is None or theirs is None else ours - theirs
    step = (
        f"Keep the champion: {rule.metric} would go from {theirs:.4g} to {ours:.4g}."
        if ours is not None and theirs is not None
        else ""
    )
    return compare(f"change of {rule.metric}", difference, rule.bound, slice=label(item.key), next_step=step)


def _against_baselines(config: Config, measured: Measured, left_out: Mapping[str, str]) -> Iterator[Check]:
    found = {one.name: one for one in measured.comparisons if one.name != CHAMPION}
    for baseline in config.baselines:
        if not baseline.must_beat:
            continue
        one = found.get(baseline.name)
        if one is not None and _proves_nothing(baseline, one, found):
            yield _check(
                f"gain in {kind(config.task).skill_name} over {baseline.name}",
                Verdict.UNDECIDED,
                f"it is no better than always the same answer ({one.skill:.4g})",
                f"config.yaml: beating {baseline.name} proves nothing: take it out of evaluate_model.baselines, or "
                f"set its must_beat: false; features it could not use: {_listed(left_out) or 'none'}.",
            )
            continue
        low = one.gain.low if one and math.isfinite(one.gain.low) else None
        gain = f"gain in {kind(config.task).skill_name} over {baseline.name}"
        rule = f"{gain}, lower end of {config.confidence:.0%} > {baseline.margin:g}"
        verdict = Verdict.UNDECIDED if low is None else Verdict.PASS if low > baseline.margin else Verdict.FAIL
        step = (
            f"The {baseline.name} baseline is as good: use it, or train a better model."
            if low is not None
            else "The gain could not be computed; see the other checks."
        )
        yield Check(
            rule=rule,
            threshold=baseline.margin,
            observed=low,
            verdict=verdict,
            next_step="" if verdict is Verdict.PASS else step,
        )


def _proves_nothing(baseline: Baseline, one: Comparison, found: Mapping[str, Comparison]) -> bool:
    """Whether a baseline that should use features is as good as none, to the last digit."""
    if baseline.kind != "linear":
        return False
    majority = found.get("majority")
    return one.is_constant or (majority is not None and one.skill == majority.skill)


def _listed(left_out: Mapping[str, str]) -> str:
    return "; ".join(f"{name} ({why})" for name, why in left_out.items())


def _slices_left_out(config: Config, measured: Measured) -> Iterator[Check]:
    """Say which crosses have more slices than are measured; a rule about them must have seen all that are large."""
    ruled = [features for rule in config.slice_thresholds for features in rule.slices]
    ruled += [features for rule in config.change for features in rule.slices]
    for one in measured.left_out:
        smallest = min(item.examples for item in _of(measured, one.features))
        is_partial = smallest >= config.min_slice_examples and set(one.features) in [set(f) for f in ruled]
        yield _check(
            f"slices of [{', '.join(one.features)}] are at most max_slices ({config.max_slices})",
            Verdict.UNDECIDED if is_partial else Verdict.PASS,
            f"the {config.max_slices} largest are measured; {one.slices} more with {one.rows} rows are not",
            "config.yaml: raise evaluate_model.max_slices or min_slice_examples, or slice by something coarser.",
        )


def _leaks(config: Config, measured: Measured, scored: Scored) -> Iterator[Check]:
    """Find what is too good to be true."""
    feature_skill = scored.feature_skill
    name = kind(config.task).skill_name
    step = "This looks like a label leak: look for a feature that is known only after the fact."
    if config.leak.suspicious_above is not None:
        yield compare(
            f"{name} of the model, leak guard",
            measured.candidate_skill,
            Bound(at_most=config.leak.suspicious_above),
            next_step=step,
        )
    if config.leak.feature_above is not None:
        for feature, value in feature_skill.items():
            if math.isfinite(value) and value > config.leak.feature_above:
                at_fault = (
                    f"{feature} alone predicts the label: this looks like a label leak; drop it, or show that it is "
                    "known in time."
                )
                yield compare(
                    f"{name} of the feature {feature} alone, leak guard",
                    value,
                    Bound(at_most=config.leak.feature_above),
                    next_step=at_fault,
                )
        best = max((value for value in feature_skill.values() if math.isfinite(value)), default=None)
        if best is None and scored.left_out:
            # Nothing was skipped silently: these features cannot be looked at one by one, and the rule says so.
            rule = f"{name} of the best single feature, leak guard"
            yield _check(rule, Verdict.PASS, f"no feature has a single value a row: {_listed(scored.left_out)}", "")
        elif best is None or best <= config.leak.feature_above:
            yield compare(
                f"{name} of the best single feature, leak guard",
                best,
                Bound(at_most=config.leak.feature_above),
                next_step=step,
            )
