"""Decides which model goes on: the constrained one where it is better founded, else the plain one. It stops no run."""

from collections.abc import Iterator
from typing import NamedTuple

from artifacts.fairness.constraint import Constraint
from components.constrain_model.config import Config
from core.decision import Check, Decision, Verdict

GATE = "constrain_model"


class Requirement(NamedTuple):
    """What must hold for the constrained model to go on."""

    rule: str
    threshold: float
    observed: float | None
    holds: bool
    otherwise: str
    """Why the plain model goes on when it does not hold."""


def decide(config: Config, found: Constraint) -> tuple[Decision, Constraint]:
    """Return the decision, and the result with the model that goes on; the plain one unless every requirement holds."""
    required = [_needed(config, found), *_reduced(config, found), _surely(config, found), _cost(config, found)]
    failed = [one for one in required if not one.holds]
    if failed:
        why = "; ".join(one.otherwise for one in failed)
    else:
        why = f"its gaps are smaller and the AUC changes by {found.auc_change}{_widened(found)}"
    result = found.model_copy(update={"passed": "plain" if failed else "constrained", "why": why})
    checks = [Check(rule="what goes on", observed=f"the {result.passed} model: {why}", verdict=Verdict.PASS)]
    for one in required:
        rule = one.rule if one.holds else f"the plain model goes on, for the constrained one does not keep: {one.rule}"
        checks.append(Check(rule=rule, threshold=one.threshold, observed=one.observed, verdict=Verdict.PASS))
    return Decision.of(GATE, tuple(checks)), result


def _needed(config: Config, found: Constraint) -> Requirement:
    before = max((one.before for one in found.changes if one.constrained), default=None)
    return Requirement(
        f"the plain model's gap of {config.rate} > {config.max_gap:g}",
        config.max_gap,
        before,
        before is not None and before > config.max_gap,
        "the plain model keeps the gap on the validation split already",
    )


def _reduced(config: Config, found: Constraint) -> Iterator[Requirement]:
    share = 1 - config.min_reduction
    for change in found.changes:
        # A rate that is close enough already need not come closer.
        if change.constrained and change.before > config.max_gap:
            yield Requirement(
                f"gap of {change.rate} on the validation split <= {share:g} of {change.before:.3g}",
                share * change.before,
                change.after,
                change.after <= share * change.before,
                f"the gap of {change.rate} only goes from {change.before:.3g} to {change.after:.3g} (train more "
                "epochs, or take larger steps)",
            )


def _surely(config: Config, found: Constraint) -> Requirement:
    high = found.gap_change.high
    return Requirement(
        f"the two groups furthest apart come closer, upper end of {config.confidence:.0%} < 0",
        0.0,
        high,
        high is not None and high < 0,
        f"the change of the gap is {found.gap_change}, so that it need not be smaller on other rows",
    )


def _cost(config: Config, found: Constraint) -> Requirement:
    value = found.auc_change.value
    return Requirement(
        f"change of AUC on the validation split >= {-config.max_cost:g}",
        -config.max_cost,
        value,
        value is not None and value >= -config.max_cost,
        f"it costs too much: the AUC changes by {found.auc_change}",
    )


def _widened(found: Constraint) -> str:
    """List the gaps that grew, which a constraint on another rate can cause."""
    grown = [f"{one.rate} from {one.before:.3g} to {one.after:.3g}" for one in found.widened if not one.constrained]
    return f"; the gap of other rates grows: {', '.join(grown)}" if grown else ""
