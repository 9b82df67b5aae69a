"""Shows a canary's comparison what good and bad canaries count, and what it decides."""

import random
from bisect import bisect_left

from core.backends.canary import Canary, CanaryPlan
from core.backends.pointer import Pointer
from core.decision import Verdict
from mlops.actions.scoring.drills.outcome import Outcome
from serving.rollout.comparison import Comparison
from serving.rollout.tally import Counts, Side, score_edges, seconds_edges

REQUESTS = 20_000
_STEP = "widen nothing: the comparison of serving/rollout has changed"
_DIGEST = "sha256:" + "0" * 64


def drill() -> dict[str, Outcome]:
    """Return what is decided about a canary that is as the champion, fails, is slow, or answers something else."""
    good = _decide(_side(1))
    bad = {
        "that fails one request in ten is aborted": _side(2, failures=0.1),
        "that is three times as slow is aborted": _side(3, slowdown=3.0),
        "whose scores are shifted is aborted": _side(4, shift=0.3),
    }
    found = {
        "that is as good as the champion passes": Outcome(good is Verdict.PASS, good.value, _STEP),
    }
    for name, side in bad.items():
        verdict = _decide(side)
        found[name] = Outcome(verdict is Verdict.FAIL, verdict.value, _STEP)
    return found


def _decide(side: Side) -> Verdict:
    to = Pointer(2, _DIGEST)
    canary = Canary(to, str(Pointer(1, _DIGEST)), CanaryPlan(), 1, 1, 5.0, "2026-01-01T00:00:00Z", passed=False)
    comparison = Comparison(canary)
    comparison.decide(Counts())  # the looks that a growing sample takes begin at nothing
    return comparison.decide(Counts(champion=_side(0), canary=side)).verdict


def _side(seed: int, *, failures: float = 0.0, slowdown: float = 1.0, shift: float = 0.0) -> Side:
    drawn = random.Random(seed)  # noqa: S311 - a simulation
    side = Side(began=REQUESTS)
    edges, scores = seconds_edges(), score_edges()
    for _ in range(REQUESTS):
        seconds = drawn.lognormvariate(-4.0, 0.3) * slowdown
        side.seconds[bisect_left(edges, seconds)] += 1
        side.scores[bisect_left(scores, min(drawn.betavariate(2, 5) + shift, 1.0))] += 1
        if drawn.random() < failures:
            side.failed += 1
        else:
            side.ok += 1
    return side
