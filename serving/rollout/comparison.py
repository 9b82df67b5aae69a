"""Compares a canary with the champion on the same traffic: errors, time, scores; each by bounds, not by estimates."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.backends.canary import Canary, CanaryPlan
from core.decision import Check, Decision, Verdict
from serving.rollout import bounds
from serving.rollout.tally import CRASHES, Counts

GATE = "canary"
SLOWEST = 0.9
"""The quantile of the answer times that is compared."""
LEAST_SECONDS = 0.005
"""A canary that is slower by less than this is not slow, whatever the ratio is."""
_RULES = 3
_SIDES = 2
_WAIT = "Wait for more requests, or raise the share: mlops models canary NAME --percent."
_ROLLED_BACK = "The champion answers all requests. Compare the two versions offline before a retry."
_Compare = Callable[[Counts, CanaryPlan, float], Check]


@dataclass
class Comparison:
    """The looks at one step of a canary; a look is taken once, so that the chance of an error is kept."""

    canary: Canary
    rules: frozenset[str] = frozenset({"loads", "errors", "seconds", "scores"})
    """Those that are compared; the others cannot be observed where the requests are answered."""
    _looked: dict[str, int] = field(default_factory=dict)
    _checks: dict[str, Check] = field(default_factory=dict)

    def decide(self, counts: Counts) -> Decision:
        """Return the decision as of the latest look at each rule."""
        checks = [_loads(counts)] if "loads" in self.rules else []
        for name, (compare, samples, wait) in self._rules().items():
            number = bounds.look(samples(counts))
            # After a restart of this process, the look that may have been taken before it is not taken again.
            if number > self._looked.setdefault(name, number):
                self._looked[name] = number
                alpha = bounds.chance(self.canary.plan.alpha / (_RULES * _SIDES), number)
                self._checks[name] = compare(counts, self.canary.plan, alpha)
            checks.append(self._checks.get(name) or _unseen(wait, samples(counts), self._looked[name]))
        return Decision.of(GATE, tuple(checks), subject=self.canary.to.digest)

    def _rules(self) -> dict[str, tuple[_Compare, Callable[[Counts], int], str]]:
        rules: dict[str, tuple[_Compare, Callable[[Counts], int], str]] = {
            "errors": (errors, _requests, "share of failed requests"),
            "seconds": (slowness, _requests, f"time of {SLOWEST:.0%} of the requests"),
            "scores": (shift, _scores, "distribution of scores"),
        }
        if self.canary.is_shadow:
            # It runs in another process, at a low priority: its time says nothing about a worker's.
            del rules["seconds"]
        return {name: rule for name, rule in rules.items() if name in self.rules}


def errors(counts: Counts, plan: CanaryPlan, alpha: float) -> Check:
    """Compare the shares of failed requests."""
    canary, champion = counts.canary, counts.champion
    least = bounds.lowest(canary.failed, canary.requests, alpha)
    most = bounds.highest(canary.failed, canary.requests, alpha)
    low = bounds.lowest(champion.failed, champion.requests, alpha)
    high = bounds.highest(champion.failed, champion.requests, alpha)
    observed = (
        f"canary {canary.failed} of {canary.requests} ({least:.4f} to {most:.4f}), "
        f"champion {champion.failed} of {champion.requests} ({low:.4f} to {high:.4f})"
    )
    rule = f"share of failed requests <= the champion's + {plan.error_rise:g}"
    return _check(rule, observed, is_bad=least > high + plan.error_rise, is_good=most <= low + plan.error_rise)


def slowness(counts: Counts, plan: CanaryPlan, alpha: float) -> Check:
    """Compare a high quantile of the answer times."""
    least, most = _between(counts.canary.seconds, counts.edges, alpha)
    low, high = _between(counts.champion.seconds, counts.edges, alpha)
    observed = (
        f"canary {_ms(least)} to {_ms(most)} ms, champion {_ms(low)} to {_ms(high)} ms, "
        f"of {counts.canary.requests} and {counts.champion.requests} requests"
    )
    rule = f"time of {SLOWEST:.0%} of the requests <= {plan.slowdown:g} times the champion's, or 5 ms more"
    return _check(rule, observed, is_bad=least > _slow(high, plan), is_good=most <= _slow(low, plan))


def shift(counts: Counts, plan: CanaryPlan, alpha: float) -> Check:
    """Compare the distributions of scores, one score for each key."""
    some, others = counts.canary.scores, counts.champion.scores
    found = bounds.distance(some, others)
    unsure = bounds.band(sum(some), alpha) + bounds.band(sum(others), alpha)
    observed = f"{found:.4f} +- {unsure:.4f}, of {sum(some)} and {sum(others)} keys"
    rule = f"Kolmogorov-Smirnov distance of the scores <= {plan.shift:g}"
    return _check(rule, observed, is_bad=found - unsure > plan.shift, is_good=found + unsure <= plan.shift)


def _loads(counts: Counts) -> Check:
    failed, crashes = counts.flags["load_failed"], counts.crashes
    return Check(
        rule=f"the canary can be loaded, and ends less than {CRASHES} processes",
        observed=f"{failed} could not load it, {crashes} ended with it",
        verdict=Verdict.FAIL if failed or crashes >= CRASHES else Verdict.PASS,
        next_step="The server's log says why. The champion answers all requests." if failed or crashes else "",
    )


def _check(rule: str, observed: str, *, is_bad: bool, is_good: bool) -> Check:
    verdict = Verdict.FAIL if is_bad else Verdict.PASS if is_good else Verdict.UNDECIDED
    steps = {Verdict.FAIL: _ROLLED_BACK, Verdict.UNDECIDED: _WAIT, Verdict.PASS: ""}
    return Check(rule=rule, observed=observed, verdict=verdict, next_step=steps[verdict])


def _unseen(rule: str, samples: int, looked: int) -> Check:
    wanted = bounds.samples_of(looked + 1)
    observed = f"{samples} samples of the smaller side, wanted {wanted}"
    return Check(rule=rule, observed=observed, verdict=Verdict.UNDECIDED, next_step=_WAIT)


def _requests(counts: Counts) -> int:
    return min(counts.canary.requests, counts.champion.requests)


def _scores(counts: Counts) -> int:
    return min(sum(counts.canary.scores), sum(counts.champion.scores))


def _between(counts: list[int], upper: tuple[float, ...], alpha: float) -> tuple[float, float]:
    """Return bounds of the quantile in seconds."""
    below, above = bounds.quantile(counts, SLOWEST, alpha)
    edges = (*upper, float("inf"))
    return (edges[below] if below >= 0 else 0.0), (edges[above] if above < len(edges) else float("inf"))


def _slow(seconds: float, plan: CanaryPlan) -> float:
    return max(seconds * plan.slowdown, seconds + LEAST_SECONDS)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.4g}"
