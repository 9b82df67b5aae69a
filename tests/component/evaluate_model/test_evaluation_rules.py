"""Every rule at its bound: what just keeps it passes, what just breaks it does not, what is missing does neither."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from artifacts.evaluation.result import Comparison, EvaluationResult, LeftOut, Slice
from artifacts.evaluation.spec import CHAMPION
from components.evaluate_model.config import Config
from components.evaluate_model.gate import decide
from core.decision import Check, Decision, Verdict
from problems.kind import Gain

BASE: dict[str, Any] = {
    "label": "late",
    "task": "binary_classification",
    "metrics": [{"name": "auc", "at_least": 0.7, "why": "measured on flights"}],
    "min_slice_examples": 100,
}
REFERENCE = "3@sha256:" + "a" * 64


def slice_of(examples: int = 1000, auc: float = 0.8, champion: float | None = None, **key: str) -> Slice:
    theirs = None if champion is None else {"auc": champion}
    return Slice(tuple(key.items()), examples, {"auc": auc}, theirs)


def result(*slices: Slice, **changes: Any) -> EvaluationResult:
    facts: dict[str, Any] = {"slices": slices or (slice_of(),), "candidate_skill": 0.8, "comparisons": ()}
    return EvaluationResult(**(facts | changes))


def decided(
    found: EvaluationResult,
    champion: str = "",
    skills: dict[str, float] | None = None,
    left_out: dict[str, str] | None = None,
    **changes: Any,
) -> Decision:
    scored: Any = SimpleNamespace(feature_skill=skills or {}, left_out=left_out or {})
    return decide(Config.model_validate(BASE | changes), found, scored, champion)


def check(decision: Decision, rule: str, where: str = "") -> Check:
    """Return the one check whose rule begins like this."""
    [found] = [one for one in decision.checks if one.rule.startswith(rule) and one.slice == where]
    return found


def rules(decision: Decision) -> list[str]:
    return [one.rule for one in decision.checks]


def test_a_first_model_that_keeps_its_thresholds_is_open() -> None:
    decision = decided(result())
    assert decision.is_open
    assert rules(decision) == [
        "the eval split and the predictions can be evaluated",
        "the model does not predict the same for all rows",
        "auc >= 0.7",
        "first model: without a champion all other rules decide",
    ]
    assert decision.checks[0].observed == 1000
    assert all(one.next_step == "" for one in decision.checks)


def test_faults_are_undecided_and_nothing_else_is_asked() -> None:
    found = result(slices=(), faults=("no rows", "no labels"), candidate_skill=math.nan)
    decision = decided(found, REFERENCE, change=[{"metric": "auc", "at_least_change": 0.0}])
    undecided = [one for one in decision.checks if one.rule == "the eval split and the predictions can be evaluated"]
    assert [(one.verdict, one.observed) for one in undecided] == [
        (Verdict.UNDECIDED, "no rows"),
        (Verdict.UNDECIDED, "no labels"),
    ]
    assert "Correct the data or the model: no rows." in undecided[0].next_step
    assert check(decision, "auc >= 0.7").verdict is Verdict.UNDECIDED
    assert "could not be computed" in check(decision, "auc >= 0.7").next_step
    assert not [rule for rule in rules(decision) if "champion" in rule]


@pytest.mark.parametrize(("distinct", "verdict"), [(1, Verdict.FAIL), (2, Verdict.PASS)])
def test_a_constant_model_fails(distinct: int, verdict: Verdict) -> None:
    found = check(decided(result(distinct=distinct)), "the model does not predict the same")
    assert found.verdict is verdict
    assert found.observed == ("one prediction for all rows" if distinct == 1 else "different predictions")
    assert ("constant" in found.next_step) == (distinct == 1)


def test_without_a_threshold_no_model_is_blessed() -> None:
    decision = decided(result(), metrics=[])
    assert check(decision, "at least one threshold is configured").verdict is Verdict.UNDECIDED
    assert check(decision, "at least one threshold is configured").observed == 0.0
    assert "at least one threshold is configured" not in rules(decided(result()))


@pytest.mark.parametrize(
    ("auc", "verdict"), [(0.7, Verdict.PASS), (0.6999, Verdict.FAIL), (math.nan, Verdict.UNDECIDED)]
)
def test_a_threshold_at_its_bound(auc: float, verdict: Verdict) -> None:
    found = check(decided(result(slice_of(auc=auc))), "auc >= 0.7")
    assert found.verdict is verdict
    assert ("correct the threshold of auc in config.yaml: measured" in found.next_step) == (verdict is Verdict.FAIL)


def test_a_metric_that_the_evaluation_does_not_have_is_named() -> None:
    metrics = [{"name": "aux", "at_least": 0.7, "why": "measured on flights"}]
    found = check(decided(result(), metrics=metrics), "aux >= 0.7")
    assert found.verdict is Verdict.UNDECIDED
    assert "has no metric 'aux'; did you mean 'auc'?" in found.next_step


SLICED = {"slices": [["carrier"], ["carrier", "hour"]]}
OF_CARRIERS = SLICED | {"slice_thresholds": [{"metric": "auc", "slices": [["carrier"]], "at_least": 0.6}]}


def test_a_threshold_holds_on_each_slice_that_is_large_enough() -> None:
    found = result(
        slice_of(),
        slice_of(100, 0.6, carrier="AA"),
        slice_of(500, 0.59, carrier="DL"),
        slice_of(99, 0.1, carrier="UA"),
        slice_of(500, 0.1, carrier="AA", hour="7"),
    )
    decision = decided(found, **OF_CARRIERS)
    assert check(decision, "auc >= 0.6", "carrier=AA").verdict is Verdict.PASS
    failed = check(decision, "auc >= 0.6", "carrier=DL")
    assert failed.verdict is Verdict.FAIL
    assert "The 500 rows of carrier=DL need more data" in failed.next_step
    assert {one.slice for one in decision.checks} == {"", "carrier=AA", "carrier=DL"}
    assert decision.checks[0].observed == 1000, "all rows, which come first"
    coverage = check(decision, "auc of [carrier] is checked on slices of 100 rows or more")
    assert (coverage.verdict, coverage.observed) == (Verdict.PASS, "2 large enough, 1 too small: carrier=UA (99)")


def test_a_threshold_that_is_applied_to_nothing_is_undecided() -> None:
    found = result(slice_of(), *(slice_of(66 + one, carrier=f"C{24 - one}") for one in range(25)))
    coverage = check(decided(found, **OF_CARRIERS), "auc of [carrier]")
    assert coverage.verdict is Verdict.UNDECIDED
    assert "take more rows" in coverage.next_step
    observed = str(coverage.observed)
    assert observed.startswith("0 large enough, 25 too small: carrier=C0 (90), carrier=C1 (89)")
    assert observed.count("carrier=") == 20
    everywhere = decided(result(slice_of(500, carrier="AA"), slice_of()), **OF_CARRIERS)
    assert check(everywhere, "auc of [carrier]").observed == "1 large enough, 0 too small"


def test_a_threshold_of_a_metric_that_a_slice_does_not_have_is_named() -> None:
    thresholds = [{"metric": "aux", "slices": [["carrier"]], "at_least": 0.6}]
    decision = decided(result(slice_of(), slice_of(carrier="AA")), **SLICED, slice_thresholds=thresholds)
    assert "has no metric 'aux'" in check(decision, "aux >= 0.6", "carrier=AA").next_step


def test_a_threshold_on_all_rows_needs_no_number_of_rows() -> None:
    thresholds = [{"metric": "auc", "slices": [[]], "at_least": 0.6}]
    decision = decided(result(slice_of(5)), slice_thresholds=thresholds)
    assert check(decision, "auc >= 0.6").verdict is Verdict.PASS
    low = decided(result(slice_of(5, 0.5)), slice_thresholds=thresholds)
    assert "The 5 rows of all rows need more data" in check(low, "auc >= 0.6").next_step


@pytest.mark.parametrize(
    ("examples", "absent", "verdict"),
    [
        (100, "fail", Verdict.PASS),
        (99, "fail", Verdict.FAIL),
        (99, "undecided", Verdict.UNDECIDED),
        (0, "fail", Verdict.FAIL),
    ],
)
def test_an_expected_slice_is_there_with_enough_rows(examples: int, absent: str, verdict: Verdict) -> None:
    others = [slice_of(examples, hour="7", carrier="AA")] if examples else []
    settings = SLICED | {"expected_slices": [{"carrier": "AA", "hour": "7"}], "absent_slice": absent}
    found = check(decided(result(slice_of(), *others), **settings), "expected slice has 100", "carrier=AA, hour=7")
    assert (found.verdict, found.observed) == (verdict, float(examples))
    if verdict is not Verdict.PASS:
        assert ("is too small" if examples else "is absent") in found.next_step


def test_a_first_model_can_be_left_to_a_person() -> None:
    found = check(decided(result(), first_model="undecided"), "first model: without a champion a person decides")
    assert (found.verdict, found.observed) == (Verdict.UNDECIDED, "no champion")
    assert "Push the model by hand" in found.next_step


def test_a_champion_that_cannot_be_scored_decides_nothing() -> None:
    decision = decided(result(champion_fault="it is damaged"), REFERENCE)
    found = check(decision, "the champion 3 predicts the same rows")
    assert (found.verdict, found.observed) == (Verdict.UNDECIDED, "it is damaged")
    assert not [rule for rule in rules(decision) if "change" in rule or "compares" in rule]


def test_without_a_rule_no_model_replaces_the_champion() -> None:
    found = check(decided(result(slice_of(champion=0.7)), REFERENCE), "at least one rule compares with the champion")
    assert (found.verdict, found.observed) == (Verdict.UNDECIDED, 0.0)
    assert "add a rule to evaluate_model.change" in found.next_step


CHANGE = {"change": [{"metric": "auc", "at_least_change": -0.25}]}


@pytest.mark.parametrize(("auc", "verdict"), [(0.5, Verdict.PASS), (0.499, Verdict.FAIL), (0.9, Verdict.PASS)])
def test_a_change_at_its_bound(auc: float, verdict: Verdict) -> None:
    decision = decided(result(slice_of(auc=auc, champion=0.75)), REFERENCE, metrics=[], **CHANGE)
    found = check(decision, "change of auc >= -0.25")
    assert (found.verdict, found.observed) == (verdict, pytest.approx(auc - 0.75))
    assert "at least one rule compares with the champion" not in rules(decision)
    assert found.next_step == ("" if verdict is Verdict.PASS else "Keep the champion: auc would go from 0.75 to 0.499.")
    assert not [rule for rule in rules(decision) if "is checked on slices" in rule]


def test_a_change_that_cannot_be_computed_is_undecided() -> None:
    without = decided(result(slice_of()), REFERENCE, **CHANGE)
    assert check(without, "change of auc").verdict is Verdict.UNDECIDED
    other = [{"metric": "logloss", "at_most_change": 0.1}]
    missing = decided(result(slice_of(champion=0.7)), REFERENCE, change=other)
    assert check(missing, "change of logloss <= 0.1").verdict is Verdict.UNDECIDED
    nothing = decided(result(slice_of(carrier="AA")), REFERENCE, slices=[["carrier"]], **CHANGE)
    assert check(nothing, "change of auc").verdict is Verdict.UNDECIDED


def test_a_change_holds_on_each_slice_that_is_large_enough() -> None:
    change = [{"metric": "auc", "at_least_change": -0.1, "slices": [["carrier"]]}]
    found = result(
        slice_of(champion=0.8),
        slice_of(100, 0.75, 0.8, carrier="AA"),
        slice_of(100, 0.65, 0.8, carrier="DL"),
        slice_of(99, 0.1, 0.8, carrier="UA"),
    )
    decision = decided(found, REFERENCE, slices=[["carrier"]], change=change)
    assert check(decision, "change of auc", "carrier=AA").verdict is Verdict.PASS
    assert check(decision, "change of auc", "carrier=DL").verdict is Verdict.FAIL
    assert {one.slice for one in decision.checks} == {"", "carrier=AA", "carrier=DL"}
    assert check(decision, "change of auc of [carrier]").observed == "2 large enough, 1 too small: carrier=UA (99)"


def against(low: float, **changes: Any) -> Comparison:
    facts: dict[str, Any] = {"name": "majority", "skill": 0.5, "gain": Gain(value=low + 0.01, low=low, high=low + 0.02)}
    return Comparison(**(facts | changes))


@pytest.mark.parametrize(
    ("low", "verdict"),
    [(0.0201, Verdict.PASS), (0.02, Verdict.FAIL), (-0.1, Verdict.FAIL), (math.nan, Verdict.UNDECIDED)],
)
def test_a_baseline_is_beaten_by_more_than_the_margin(low: float, verdict: Verdict) -> None:
    baselines = [{"kind": "majority", "margin": 0.02}]
    decision = decided(result(comparisons=(against(low),)), baselines=baselines)
    found = check(decision, "gain in AUC over majority, lower end of 95% > 0.02")
    assert found.verdict is verdict
    assert found.threshold == 0.02
    assert found.observed == (None if math.isnan(low) else low)
    step = {Verdict.PASS: "", Verdict.FAIL: "The majority baseline is as good", Verdict.UNDECIDED: "could not be"}
    assert step[verdict] in found.next_step


def test_a_baseline_without_a_comparison_is_undecided_and_one_that_need_not_be_beaten_is_not_asked() -> None:
    missing = decided(result(), baselines=[{"kind": "majority"}])
    assert check(missing, "gain in AUC over majority").verdict is Verdict.UNDECIDED
    shown = decided(
        result(comparisons=(against(-1.0), against(0.3, name="linear", skill=0.7))),
        baselines=[{"kind": "majority", "must_beat": False}, {"kind": "linear"}],
    )
    assert [rule for rule in rules(shown) if rule.startswith("gain")] == [
        "gain in AUC over linear, lower end of 95% > 0"
    ]
    assert shown.is_open


def test_the_champion_is_no_baseline() -> None:
    baselines = [{"kind": "majority"}]
    found = decided(result(comparisons=(against(0.5, name=CHAMPION),)), baselines=baselines)
    assert check(found, "gain in AUC over majority").verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("linear", "learned"),
    [({"is_constant": True}, False), ({"skill": 0.5}, False), ({"skill": 0.6}, True)],
)
def test_a_linear_baseline_that_learned_nothing_is_no_comparison(linear: dict[str, Any], learned: bool) -> None:
    baselines = [{"kind": "linear"}, {"kind": "majority"}]
    ours = against(0.3, name="linear", **({"skill": 0.7} | linear))
    decision = decided(result(comparisons=(against(0.3), ours)), left_out={"text": "words"}, baselines=baselines)
    found = check(decision, "gain in AUC over linear")
    assert (found.verdict is Verdict.PASS) == learned
    assert decision.is_open == learned
    assert check(decision, "gain in AUC over majority").verdict is Verdict.PASS
    if not learned:
        assert found.verdict is Verdict.UNDECIDED
        assert "the baseline is no better than a constant prediction (0." in str(found.observed)
        assert "features it could not use: text (words)." in found.next_step


def test_a_linear_baseline_is_compared_where_there_is_no_majority_and_others_may_be_constant() -> None:
    alone = decided(result(comparisons=(against(0.3, name="linear"),)), baselines=[{"kind": "linear"}])
    assert alone.is_open
    constant = decided(result(comparisons=(against(0.3, is_constant=True),)), baselines=[{"kind": "majority"}])
    assert constant.is_open
    silent = decided(
        result(comparisons=(against(0.3, name="linear", is_constant=True),)), baselines=[{"kind": "linear"}]
    )
    assert "features it could not use: none." in check(silent, "gain in AUC over linear").next_step


LEAK = {"leak": {"suspicious_above": 0.9, "feature_above": 0.8}}


@pytest.mark.parametrize(
    ("skill", "verdict"), [(0.9, Verdict.PASS), (0.901, Verdict.FAIL), (math.nan, Verdict.UNDECIDED)]
)
def test_a_model_that_is_too_good_is_suspected(skill: float, verdict: Verdict) -> None:
    decision = decided(result(candidate_skill=skill), skills={"hour": 0.6}, **LEAK)
    found = check(decision, "AUC of the model, leak guard <= 0.9")
    assert found.verdict is verdict
    if verdict is Verdict.FAIL:
        assert "This may be a label leak" in found.next_step
    assert not [rule for rule in rules(decided(result(candidate_skill=skill))) if "leak" in rule]


def test_a_feature_that_predicts_the_label_alone_is_named() -> None:
    skills = {"hour": 0.6, "arrival": 0.801, "carrier": math.nan, "ended": 0.9}
    decision = decided(result(), skills=skills, **LEAK)
    failed = [one for one in decision.checks if one.verdict is Verdict.FAIL]
    assert [one.rule for one in failed] == [
        "AUC of the feature arrival alone, leak guard <= 0.8",
        "AUC of the feature ended alone, leak guard <= 0.8",
    ]
    assert "arrival alone predicts the label" in failed[0].next_step
    assert not [rule for rule in rules(decision) if "best single feature" in rule]
    assert len([rule for rule in rules(decision) if "alone" in rule]) == 2


@pytest.mark.parametrize(
    ("skills", "left_out", "verdict", "observed"),
    [
        ({"hour": 0.8, "carrier": 0.5}, {}, Verdict.PASS, 0.8),
        ({"hour": 0.8, "carrier": math.nan}, {"text": "words"}, Verdict.PASS, 0.8),
        ({}, {"text": "words"}, Verdict.PASS, "no feature has a single value a row: text (words)"),
        ({"hour": math.nan}, {}, Verdict.UNDECIDED, None),
        ({}, {}, Verdict.UNDECIDED, None),
    ],
)
def test_the_best_single_feature_is_shown_or_why_there_is_none(
    skills: dict[str, float], left_out: dict[str, str], verdict: Verdict, observed: object
) -> None:
    decision = decided(result(), skills=skills, left_out=left_out, **LEAK)
    assert not [rule for rule in rules(decision) if "alone" in rule]
    found = check(decision, "AUC of the best single feature")
    assert (found.verdict, found.observed) == (verdict, observed)


@pytest.mark.parametrize(
    ("smallest", "with_rule", "verdict"),
    [(100, True, Verdict.UNDECIDED), (99, True, Verdict.PASS), (100, False, Verdict.PASS)],
)
def test_slices_beyond_the_most_leave_a_rule_about_them_undecided(
    smallest: int, with_rule: bool, verdict: Verdict
) -> None:
    found = result(
        slice_of(),
        slice_of(500, carrier="AA"),
        slice_of(smallest, carrier="DL"),
        slice_of(3, carrier="AA", hour="7"),
        left_out=(LeftOut(("carrier",), 7, 70),),
    )
    thresholds = [{"metric": "auc", "slices": [["carrier"]], "at_least": 0.6}] if with_rule else []
    decision = decided(found, **SLICED, slice_thresholds=thresholds, max_slices=2)
    left = check(decision, "[carrier] has at most max_slices (2) slices")
    assert (left.verdict, left.observed) == (verdict, "the 2 largest are evaluated; 7 more with 70 rows are not")
    if verdict is Verdict.UNDECIDED:
        assert "raise evaluate_model.max_slices" in left.next_step


def test_a_rule_about_changes_is_one_about_slices_too() -> None:
    found = result(
        slice_of(champion=0.8), slice_of(500, 0.8, 0.8, carrier="AA"), left_out=(LeftOut(("carrier",), 7, 70),)
    )
    change = [{"metric": "auc", "at_least_change": -0.1, "slices": [["carrier"]]}]
    decision = decided(found, REFERENCE, **SLICED, change=change, max_slices=1)
    assert check(decision, "[carrier] has at most").verdict is Verdict.UNDECIDED
