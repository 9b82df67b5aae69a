"""Compares gaps with their rules. The upper end of an interval counts, and a group that is too small is undecided."""

from collections.abc import Iterator

from artifacts.fairness.measurement import Estimate, GapResult, Group, Grouping, Measurement, Swapped
from artifacts.fairness.names import CALIBRATION
from components.measure_fairness.config import Config, Features, GapRule
from core.decision import Check, Decision, Verdict

GATE = "measure_fairness"


def decide(config: Config, measured: Measurement) -> Decision:
    """Compare a measurement with every rule."""
    groupings = {frozenset(one.features): one for one in measured.groupings}
    checks: list[Check] = []
    for rule in config.gaps:
        for features in rule.groups:
            checks += _gap_checks(config, rule, groupings[frozenset(features)], measured)
    checks += [_swap_check(config, one) for one in measured.swapped]
    return Decision.of(GATE, tuple(checks), subject=measured.subject)


def _gap_checks(config: Config, rule: GapRule, grouping: Grouping, measured: Measurement) -> Iterator[Check]:
    yield from _too_small(config, rule, grouping)
    share = grouping.without / max(measured.rows, 1)
    if share > config.max_without:
        yield Check(
            rule=f"rows without {grouping.name} <= {config.max_without:.0%}",
            threshold=config.max_without,
            observed=share,
            verdict=Verdict.UNDECIDED,
            next_step=f"{grouping.without} of {measured.rows} rows lack {grouping.name}, and a gap may hide in them: "
            "complete the data, or raise measure_fairness.max_without with a reason.",
        )
    threshold = config.threshold(rule)
    found = measured.gap(grouping.features, rule.rate, threshold)
    at = "" if threshold is None else f" at {threshold:g}"
    name = f"gap of {rule.rate} by {grouping.name}{at}, upper end of {config.confidence:.0%}"
    if found is None or found.value is None or found.low is None or found.high is None:
        yield _undefined(name, rule, grouping)
        return
    yield Check(
        rule=f"{name} <= {rule.at_most:g}",
        threshold=rule.at_most,
        observed=found.high,
        slice=_widest(found),
        verdict=_verdict(rule, found.low, found.high),
        next_step="" if found.high <= rule.at_most else _next_step(rule, found),
    )


def _undefined(name: str, rule: GapRule, grouping: Grouping) -> Check:
    groups = ", ".join(group.name for group in grouping.groups) or "none"
    return Check(
        rule=f"{name} <= {rule.at_most:g}",
        threshold=rule.at_most,
        verdict=Verdict.UNDECIDED,
        next_step=f"A gap needs two groups of {grouping.name} that have a {rule.rate}; the eval split has {groups}. "
        "Evaluate on rows of every group, or group by another feature.",
    )


def _verdict(rule: GapRule, low: float, high: float) -> Verdict:
    """Return `undecided` where the interval has the bound inside: the rows do not say which side the gap is on."""
    if high <= rule.at_most:
        return Verdict.PASS
    return Verdict.FAIL if low > rule.at_most else Verdict.UNDECIDED


def _next_step(rule: GapRule, found: GapResult) -> str:
    where = f"{rule.rate} is highest for {', '.join(found.highest)} and lowest for {', '.join(found.lowest)}"
    if found.low is not None and found.low > rule.at_most:
        advice = "train under a constraint (constrain_model), or find the feature that stands for the group"
    else:
        advice = "the gap may be on either side of the bound: evaluate on more rows of these groups"
    return f"{where}, the gap is {found}: {advice}. The bound: {rule.why}"


def _widest(found: GapResult) -> str:
    return f"{', '.join(found.highest)} - {', '.join(found.lowest)}"


def _too_small(config: Config, rule: GapRule, grouping: Grouping) -> Iterator[Check]:
    """Report each group that has too few rows to say anything about its rate."""
    threshold = config.threshold(rule)
    for group in grouping.groups:
        of_rate = _of_rate(group, rule, threshold)
        if group.rows >= config.min_group_rows and of_rate.rows >= config.min_rate_rows:
            continue
        few = group.rows < config.min_group_rows
        wanted, got = (config.min_group_rows, group.rows) if few else (config.min_rate_rows, of_rate.rows)
        what = "rows" if few else f"rows that {rule.rate} is a share of"
        yield Check(
            rule=f"a group of {grouping.name} has {wanted} {what} or more",
            threshold=float(wanted),
            observed=float(got),
            slice=_slice(grouping.features, group),
            verdict=Verdict.UNDECIDED,
            next_step=f"{group.name} is too small to decide about its {rule.rate}: evaluate on more rows of it, or "
            f"decide by a person and waive {GATE} in push_model.waives with the reason.",
        )


def _of_rate(group: Group, rule: GapRule, threshold: float | None) -> Estimate:
    if rule.rate == CALIBRATION:
        return group.calibration
    found: Estimate = getattr(next(one for one in group.rates if one.threshold == threshold), rule.rate)
    return found


def _slice(features: Features, group: Group) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(features, group.values, strict=True))


def _swap_check(config: Config, found: Swapped) -> Check:
    assert config.swaps is not None
    bound, low, high = config.swaps.at_most, found.changed.low, found.changed.high
    verdict, step = (
        Verdict.UNDECIDED,
        f"Swap in more than {found.changed.rows} rows: {found.changed} predictions change.",
    )
    # A model that does not read the feature gives every row the same score, to the last bit.
    if found.largest_change == 0 or (high is not None and high <= bound):
        verdict, step = Verdict.PASS, ""
    elif low is not None and low > bound:
        verdict = Verdict.FAIL
        step = (
            f"{found.changed} of {found.changed.rows} predictions depend on {found.feature} alone: keep it out of "
            'requests (`not_in_environment: "SERVING"` in the schema) and of module.py.'
        )
    name = f"predictions that change when {found.feature} is swapped, upper end of {config.confidence:.0%}"
    return Check(rule=f"{name} <= {bound:g}", threshold=bound, observed=high, verdict=verdict, next_step=step)
