"""Decides whether the constrained model goes on: the gap surely falls, by enough, and the skill stays."""

from artifacts.fairness.constraint import Constraint
from components.constrain_model.config import Config
from core.decision import Check, Decision, Verdict

GATE = "constrain_model"


def decide(config: Config, found: Constraint) -> tuple[Decision, Constraint]:
    """Return the decision, and the result with the model that goes on; the plain one unless every check passes."""
    checks = [_needed(config, found), *_reduced(config, found), _surely(config, found), _cost(config, found)]
    decision = Decision.of(GATE, tuple(checks))
    worst = next((check for check in checks if check.verdict is not Verdict.PASS), None)
    if worst is None:
        why = f"the gap falls and the AUC changes by {found.auc_change}{_widened(found)}"
        return decision, found.model_copy(update={"passed": "constrained", "why": why})
    return decision, found.model_copy(update={"passed": "plain", "why": f"the plain model goes on: {worst.next_step}"})


def _needed(config: Config, found: Constraint) -> Check:
    before = max((one.before for one in found.changes if one.constrained), default=None)
    needed = before is not None and before > config.max_gap
    return Check(
        rule=f"the plain model's gap of {config.rate} > {config.max_gap:g}",
        threshold=config.max_gap,
        observed=before,
        verdict=Verdict.PASS if needed else Verdict.UNDECIDED,
        next_step=""
        if needed
        else "the plain model keeps the gap on the validation split already, so there is nothing to constrain",
    )


def _reduced(config: Config, found: Constraint) -> list[Check]:
    checks = []
    for change in found.changes:
        # A rate that is close enough already need not come closer.
        if not change.constrained or change.before <= config.max_gap:
            continue
        bound = (1 - config.min_reduction) * change.before
        passed, share = change.after <= bound, 1 - config.min_reduction
        checks.append(
            Check(
                rule=f"gap of {change.rate} on the validation split <= {share:g} of {change.before:.3g}",
                threshold=bound,
                observed=change.after,
                verdict=Verdict.PASS if passed else Verdict.FAIL,
                next_step=""
                if passed
                else f"the gap of {change.rate} only goes from {change.before:.3g} to {change.after:.3g}; train more "
                "epochs, take larger steps, or constrain another rate",
            )
        )
    return checks


def _surely(config: Config, found: Constraint) -> Check:
    high = found.gap_change.high
    passed = high is not None and high < 0
    return Check(
        rule=f"the two groups furthest apart come closer, upper end of {config.confidence:.0%} < 0",
        threshold=0.0,
        observed=high,
        verdict=Verdict.PASS if passed else Verdict.UNDECIDED,
        next_step=""
        if passed
        else f"the change of the gap is {found.gap_change}: the validation split is too small to say that it falls",
    )


def _cost(config: Config, found: Constraint) -> Check:
    value = found.auc_change.value
    passed = value is not None and value >= -config.max_cost
    return Check(
        rule=f"change of AUC on the validation split >= {-config.max_cost:g}",
        threshold=-config.max_cost,
        observed=value,
        verdict=Verdict.UNDECIDED if value is None else Verdict.PASS if passed else Verdict.FAIL,
        next_step="" if passed else f"the constraint costs too much: the AUC changes by {found.auc_change}",
    )


def _widened(found: Constraint) -> str:
    """Say which other gaps grew."""
    grown = [f"{one.rate} from {one.before:.3g} to {one.after:.3g}" for one in found.widened if not one.constrained]
    return f"; the gap of other rates grows: {', '.join(grown)}" if grown else ""
