"""Decides whether the training uses the best point; where it does not, the default stays and the run goes on."""

from artifacts.tuning.tuning import Gain, Tuning
from components.tune_model.config import Config
from core.decision import Bound, Check, Decision, Verdict, compare

GATE = "tune_model"


def is_sure(config: Config, gain: Gain) -> bool:
    """Whether a gain is surely above `min_gain`."""
    return gain.low is not None and gain.low > config.min_gain


def decide(config: Config, tuning: Tuning) -> Decision:
    """Return the decision."""
    ended = sum(trial.skill is not None for trial in tuning.trials)
    checks = (
        compare(
            "share of trials that end with a finite loss",
            ended / len(tuning.trials),
            Bound(at_least=config.min_finite),
            next_step="narrow the ranges in tune_model.space, the learning rate first",
        ),
        _inside(config, tuning),
        Check(rule="what the training uses", observed=_used(config, tuning), verdict=Verdict.PASS),
    )
    return Decision.of(GATE, checks)


def _inside(config: Config, tuning: Tuning) -> Check:
    """Fail when a point that is surely better than the default is at the end of a range."""
    rule = "the best point is inside its ranges"
    point = tuning.best_trial.hyperparameters
    observed = ", ".join(f"{name} {point[name]:g} of {tuning.space[name]}" for name in tuning.on_bounds)
    if not tuning.on_bounds:
        return Check(rule=rule, observed="yes", verdict=Verdict.PASS)
    if config.on_bound == "accept" or not is_sure(config, tuning.gain):
        return Check(rule=rule, observed=f"on a bound: {observed}", verdict=Verdict.PASS)
    return Check(
        rule=rule,
        observed=f"on a bound: {observed}",
        verdict=Verdict.FAIL,
        next_step=f"widen {', '.join(tuning.on_bounds)} in tune_model.space and tune again, "
        "or set tune_model.on_bound: accept",
    )


def _used(config: Config, tuning: Tuning) -> str:
    gain = tuning.gain
    how = f"{tuning.skill} {gain.tuned:.4f} of trial {tuning.best} against {gain.default:.4f} of the default"
    span = f"on span {tuning.held_back}"
    if tuning.applied:
        point = ", ".join(f"{name} {value}" for name, value in tuning.chosen.items())
        return f"{point}: {how} {span}, a gain of at least {gain.low:.4f}"
    if gain.value <= 0 or not tuning.gains:
        return f"the default: {how} {span}"
    if not is_sure(config, gain):
        low = "unknown" if gain.low is None else f"{gain.low:.4f}"
        return f"the default: {how} {span}; the lower end of the gain is {low}, wanted above {config.min_gain:g}"
    return f"the default, although {how} {span} is a gain: another check failed"
