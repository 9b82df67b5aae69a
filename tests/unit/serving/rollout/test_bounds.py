"""The bounds hold: a canary like its champion is hardly ever aborted, and one beyond them hardly ever passes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends.canary import Canary, CanaryPlan
from core.backends.pointer import Pointer
from core.decision import Decision, Verdict
from serving.rollout import bounds
from serving.rollout.comparison import Comparison
from serving.rollout.tally import Counts, Side, score_edges, seconds_edges

POINTER = Pointer(2, f"sha256:{'2' * 64}")


def canary(percent: float = 50.0, **plan: float) -> Canary:
    made = CanaryPlan(steps=(percent,), **plan)  # type: ignore[arg-type]
    return Canary(POINTER, f"1@sha256:{'1' * 64}", made, 1, 1, percent, "2013-10-01T00:00:00+00:00", passed=False)


def add(side: Side, seconds: float, score: float, *, failed: bool) -> None:
    side.began += 1
    side.ok += not failed
    side.failed += failed
    side.seconds[next((at for at, edge in enumerate(seconds_edges()) if seconds <= edge), -1)] += 1
    if not failed:
        side.scores[next((at for at, edge in enumerate(score_edges()) if score <= edge), -1)] += 1


@given(st.integers(1, 5000), st.data())
def test_a_rate_lies_between_its_bounds(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    low, high = bounds.lowest(hits, of, 0.01), bounds.highest(hits, of, 0.01)
    assert 0.0 <= low <= hits / of + 1e-9
    assert hits / of - 1e-9 <= high <= 1.0
    assert bounds.highest(hits, of, 0.001) >= high - 1e-9, "the surer, the wider"


def test_the_bounds_of_a_rate_are_wrong_as_seldom_as_they_say() -> None:
    chance, wrong, rate, of = random.Random(7), 0, 0.05, 400
    for _ in range(600):
        hits = sum(chance.random() < rate for _ in range(of))
        wrong += bounds.lowest(hits, of, 0.05) > rate or bounds.highest(hits, of, 0.05) < rate
    assert wrong <= 0.1 * 600


def test_the_chances_of_all_looks_sum_to_the_whole_and_looks_come_in_order() -> None:
    assert sum(bounds.chance(0.01, number) for number in range(10_000)) == pytest.approx(0.01, rel=1e-3)
    assert bounds.look(bounds.FIRST - 1) == -1
    for number in range(40):
        assert bounds.look(bounds.samples_of(number)) == number
        assert bounds.look(bounds.samples_of(number) - 1) == number - 1


def test_a_quantile_lies_between_its_bins_and_too_few_samples_say_nothing() -> None:
    assert bounds.quantile([0, 0, 0], 0.9, 0.01) == (-1, 3)
    assert bounds.quantile([3, 2, 0], 0.9, 0.01)[1] == 3
    counts = [10] * 100
    below, above = bounds.quantile(counts, 0.9, 0.001)
    assert 80 <= below < 89 <= above <= 97


@given(st.lists(st.integers(0, 9), min_size=3, max_size=3), st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_the_distance_is_symmetric_and_zero_for_the_same(some: list[int], others: list[int]) -> None:
    assert bounds.distance(some, others) == bounds.distance(others, some)
    assert bounds.distance(some, some) == (0.0 if sum(some) else 1.0)


def simulated(seed: int, requests: int, *, rise: float = 0.0, slow: float = 1.0, shift: float = 0.0) -> Decision:
    """Run one canary of many looks, and return the first decision that is made, or the last."""
    chance, counts = random.Random(seed), Counts()
    comparison = Comparison(canary())
    decision = comparison.decide(counts)
    for number in range(requests):
        for side, is_canary in ((counts.champion, False), (counts.canary, True)):
            failed = chance.random() < 0.002 + rise * is_canary
            seconds = chance.lognormvariate(-4.0, 0.5) * (slow if is_canary else 1.0)
            add(side, seconds, chance.random() ** 2 + shift * is_canary, failed=failed)
        if number % 20 == 0:
            decision = comparison.decide(counts)
            if decision.verdict is not Verdict.UNDECIDED:
                break
    return decision


def test_a_canary_like_its_champion_passes() -> None:
    verdicts = [simulated(seed, 20_000).verdict for seed in range(3)]
    assert verdicts == [Verdict.PASS] * 3


@pytest.mark.parametrize(
    ("fault", "rule"),
    [({"rise": 0.2}, "share of failed"), ({"slow": 4.0}, "time of 90%"), ({"shift": 0.5}, "Kolmogorov")],
)
def test_a_bad_canary_fails_by_the_rule_that_it_breaks(fault: dict[str, float], rule: str) -> None:
    decision = simulated(1, 20_000, **fault)
    assert decision.verdict is Verdict.FAIL
    assert [rule in check.rule for check in decision.checks if check.verdict is Verdict.FAIL] == [True]


def test_without_requests_nothing_is_decided_and_few_do_not_suffice() -> None:
    comparison = Comparison(canary())
    assert comparison.decide(Counts()).verdict is Verdict.UNDECIDED
    counts = Counts()
    for side in (counts.champion, counts.canary):
        for _ in range(100):
            add(side, 0.01, 0.5, failed=False)
    assert comparison.decide(counts).verdict is Verdict.UNDECIDED


def test_a_canary_that_cannot_be_loaded_or_ends_processes_fails_at_once() -> None:
    counts = Counts()
    counts.flags["load_failed"] = 1
    assert Comparison(canary()).decide(counts).verdict is Verdict.FAIL
    for crashes, verdict in ((2, Verdict.UNDECIDED), (3, Verdict.FAIL)):
        assert Comparison(canary()).decide(Counts(crashes=crashes)).verdict is verdict


def test_the_time_of_a_shadow_is_not_compared() -> None:
    rules = [check.rule for check in Comparison(canary(percent=0.0)).decide(Counts()).checks]
    assert not any("time of" in rule for rule in rules)
