"""Each rule about groups at its bound: the upper end of an interval counts, and what is too small is undecided."""

from typing import Any

import pytest

from artifacts.fairness.measurement import Estimate, GapResult, Group, Grouping, Measurement, RatesAt, Swapped
from components.measure_fairness.config import Config
from components.measure_fairness.gate import decide
from core.decision import Check, Decision, Verdict

RULE = {"rate": "false_positive_rate", "groups": [["sex"]], "at_most": 0.1, "why": "planted in this test"}
CONFIG: dict[str, Any] = {
    "label": "granted",
    "task": "binary_classification",
    "groups": [["sex"], ["race"]],
    "gaps": [RULE],
}


def estimate(rows: int = 500) -> Estimate:
    return Estimate(value=0.2, low=0.1, high=0.3, rows=rows)


def group(name: str, rows: int = 500, negatives: int = 400, calibrated: int = 500) -> Group:
    rates = RatesAt(
        threshold=0.5,
        selection_rate=estimate(),
        true_positive_rate=estimate(),
        false_positive_rate=estimate(negatives),
        false_negative_rate=estimate(),
        precision=estimate(),
    )
    return Group(
        values=(name,), rows=rows, positives=10, auc=estimate(), calibration=estimate(calibrated), rates=(rates,)
    )


def gap(low: float | None = 0.01, high: float | None = 0.1, **changes: Any) -> GapResult:
    facts: dict[str, Any] = {
        "value": 0.05,
        "low": low,
        "high": high,
        "features": ("sex",),
        "rate": "false_positive_rate",
        "threshold": 0.5,
        "highest": ("F",),
        "lowest": ("M",),
        "fewest": 400,
    }
    return GapResult(**(facts | changes))


def decided(
    *groups: Group,
    gaps: tuple[GapResult, ...] | None = None,
    without: int = 0,
    swapped: tuple[Swapped, ...] = (),
    rules: list[dict[str, Any]] | None = None,
    rows: int = 1000,
    **changes: Any,
) -> Decision:
    measured = Measurement(
        subject="sha256:" + "a" * 64,
        split="eval",
        label="granted",
        positive="1",
        rows=rows,
        decision_threshold=0.5,
        confidence=0.95,
        groupings=(
            Grouping(features=("race",), groups=(group("A"),), without=0),
            Grouping(features=("sex",), groups=groups or (group("F"), group("M")), without=without),
        ),
        gaps=(gap(),) if gaps is None else gaps,
        swapped=swapped,
    )
    return decide(Config.model_validate(CONFIG | {"gaps": rules or [RULE]} | changes), measured)


def check(decision: Decision, rule: str) -> Check:
    [found] = [one for one in decision.checks if one.rule.startswith(rule)]
    return found


GAP = "gap of false_positive_rate by sex at 0.5, upper end of 95% <= 0.1"


def test_a_gap_within_its_bound_is_open_and_nothing_else_is_asked() -> None:
    decision = decided()
    assert decision.is_open
    assert [one.rule for one in decision.checks] == [GAP]
    [found] = decision.checks
    assert (found.threshold, found.observed, found.slice, found.next_step) == (0.1, 0.1, "F - M", "")
    assert decision.subject == "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("low", "high", "verdict", "advice"),
    [
        (0.05, 0.1, Verdict.PASS, ""),
        (0.05, 0.101, Verdict.UNDECIDED, "evaluate on more rows of these groups"),
        (0.1, 0.2, Verdict.UNDECIDED, "evaluate on more rows of these groups"),
        (0.101, 0.2, Verdict.FAIL, "train under a constraint"),
    ],
)
def test_the_interval_says_on_which_side_of_the_bound_a_gap_is(
    low: float, high: float, verdict: Verdict, advice: str
) -> None:
    found = check(decided(gaps=(gap(low, high),)), GAP)
    assert (found.verdict, found.observed) == (verdict, high)
    assert advice in found.next_step
    if advice:
        assert found.next_step.startswith("false_positive_rate is highest for F and lowest for M, the gap is 0.050 [")
        assert found.next_step.endswith("The bound: planted in this test")


@pytest.mark.parametrize(
    "gaps", [(), (gap(None),), (gap(0.0, None),), (gap(value=None),), (gap(features=("race",)),), (gap(threshold=0.3),)]
)
def test_a_gap_that_is_not_known_is_undecided(gaps: tuple[GapResult, ...]) -> None:
    found = check(decided(gaps=gaps), GAP)
    assert (found.verdict, found.threshold, found.observed) == (Verdict.UNDECIDED, 0.1, None)
    assert "two groups of sex that have a false_positive_rate; the eval split has F, M." in found.next_step


@pytest.mark.parametrize(
    ("rows", "negatives", "rule", "observed"),
    [
        (100, 30, "", None),
        (99, 30, "a group of sex has 100 rows or more", 99.0),
        (100, 29, "a group of sex has 30 rows that false_positive_rate is a share of or more", 29.0),
        (99, 29, "a group of sex has 100 rows or more", 99.0),
    ],
)
def test_a_group_that_is_too_small_is_named(rows: int, negatives: int, rule: str, observed: float | None) -> None:
    decision = decided(group("F", rows, negatives), group("M"))
    assert decision.is_open == (not rule)
    if rule:
        found = check(decision, rule)
        assert (found.verdict, found.observed, found.slice) == (Verdict.UNDECIDED, observed, "sex=F")
        assert found.threshold == (100.0 if rows < 100 else 30.0)
        assert "F is too small to decide about its false_positive_rate" in found.next_step
        assert len(decision.checks) == 2


@pytest.mark.parametrize(("without", "undecided"), [(50, False), (51, True)])
def test_rows_without_a_group_may_hide_a_gap(without: int, undecided: bool) -> None:
    decision = decided(without=without)
    assert decision.is_open != undecided
    if undecided:
        found = check(decision, "rows without sex <= 5%")
        assert (found.verdict, found.threshold, found.observed) == (Verdict.UNDECIDED, 0.05, 0.051)
        assert "51 of 1000 rows lack sex" in found.next_step


def test_a_small_group_is_found_behind_a_large_one() -> None:
    assert check(decided(group("F"), group("M", 99)), "a group of sex has 100 rows or more").slice == "sex=M"


def test_the_share_without_a_group_is_of_all_rows_also_where_there_is_one() -> None:
    assert check(decided(without=1, rows=1), "rows without sex").observed == 1.0
    assert not [one for one in decided(rows=0).checks if one.rule.startswith("rows without")]


def test_calibration_has_no_threshold_and_rows_of_its_own() -> None:
    rule = RULE | {"rate": "calibration"}
    found = gap(rate="calibration", threshold=None)
    decision = decided(gaps=(found,), rules=[rule])
    assert [one.rule for one in decision.checks] == ["gap of calibration by sex, upper end of 95% <= 0.1"]
    small = decided(group("F", calibrated=29), group("M"), gaps=(found,), rules=[rule])
    assert check(small, "a group of sex has 30 rows that calibration is a share of or more").observed == 29.0


def swapped(low: float | None, high: float | None, largest: float = 0.2) -> Swapped:
    changed = Estimate(value=0.02, low=low, high=high, rows=200)
    return Swapped(feature="sex", is_input=True, changed=changed, mean_change=0.01, largest_change=largest)


@pytest.mark.parametrize(
    ("found", "verdict", "step"),
    [
        (swapped(0.0, 0.01), Verdict.PASS, ""),
        (swapped(0.0, 0.011), Verdict.UNDECIDED, "Swap in more than 200 rows"),
        (swapped(0.01, 0.03), Verdict.UNDECIDED, "Swap in more than 200 rows"),
        (swapped(0.011, 0.03), Verdict.FAIL, "predictions depend on sex alone"),
        (swapped(0.011, None), Verdict.FAIL, "predictions depend on sex alone"),
        (swapped(None, None), Verdict.UNDECIDED, "Swap in more than 200 rows"),
        (swapped(0.5, 0.9, largest=0.0), Verdict.PASS, ""),
    ],
)
def test_swapping_a_group_changes_few_predictions(found: Swapped, verdict: Verdict, step: str) -> None:
    decision = decided(swapped=(found,), swaps={"features": ["sex"], "at_most": 0.01})
    swap = check(decision, "predictions that change when sex is swapped, upper end of 95% <= 0.01")
    assert (swap.verdict, swap.threshold, swap.observed) == (verdict, 0.01, found.changed.high)
    assert step in swap.next_step
    assert bool(swap.next_step) == bool(step)
