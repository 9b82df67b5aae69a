"""A gate is open only when all its checks pass."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.decision import Bound, Check, Decision, Verdict, combine, compare

VERDICTS = st.lists(st.sampled_from(list(Verdict)), max_size=6)


@given(VERDICTS)
@pytest.mark.known_failure(20)
def test_only_all_passes_open_a_gate(verdicts: list[Verdict]) -> None:
    checks = tuple(Check(rule=f"rule {index}", verdict=verdict) for index, verdict in enumerate(verdicts))
    decision = Decision.of("gate", checks)
    assert decision.is_open == (bool(verdicts) and set(verdicts) == {Verdict.PASS})
    assert decision.summary


@given(st.one_of(st.none(), st.floats()), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_a_number_that_is_not_finite_never_passes(observed: float | None, limit: float, lower: bool) -> None:
    bound = Bound(at_least=limit) if lower else Bound(at_most=limit)
    check = compare("metric", observed, bound)
    if observed is None or not math.isfinite(observed):
        assert check.verdict is Verdict.UNDECIDED
        assert "could not be computed" in check.next_step
    else:
        assert (check.verdict is Verdict.PASS) == (observed >= limit if lower else observed <= limit)


@pytest.mark.parametrize("bound", [Bound(), Bound(at_least=0.0, at_most=1.0)])
def test_a_bound_has_one_side(bound: Bound) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        compare("metric", 0.5, bound)


def test_a_decision_is_read_as_it_was_written(tmp_path: Path) -> None:
    decision = Decision.of("gate", (compare("auc", 0.5, Bound(at_least=0.6), "carrier=AA", "check AA"),))
    decision.write(tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == decision
    assert decision.next_step == "check AA"
    assert "carrier=AA" in decision.summary


def test_a_closed_gates_decision_is_read_from_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = Decision.of("gate", (Check(rule="a rule", verdict=Verdict.FAIL, next_step="fix it\nlike this"),))
    closed.write(tmp_path / "decision")
    log = f"before\n{capsys.readouterr().out}Traceback: whatever\n"
    assert Decision.in_log(log) == closed
    assert Decision.in_log(log[: log.index("fix it")]) is None
    assert Decision.in_log("no decision here") is None


def test_an_open_gate_prints_nothing_to_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Decision.of("gate", (Check(rule="a rule", verdict=Verdict.PASS),)).write(tmp_path / "decision")
    assert not capsys.readouterr().out


@given(VERDICTS, st.sampled_from(list(Verdict)))
def test_a_verdict_that_does_not_follow_from_the_checks_is_not_read(verdicts: list[Verdict], written: Verdict) -> None:
    checks = tuple(Check(rule=f"rule {index}", verdict=verdict) for index, verdict in enumerate(verdicts))
    decision = Decision.of("gate", checks)
    changed = decision.model_dump(mode="json") | {"verdict": written.value}
    if written is decision.verdict:
        assert Decision.model_validate(changed) == decision
    else:
        with pytest.raises(ValidationError, match="the verdict of the checks is"):
            Decision.model_validate(changed)


PASSED = Check(rule="rows >= 1", observed=7.0, verdict=Verdict.PASS)
FAILED = Check(
    rule="auc >= 0.6", observed=0.123456, slice="carrier=AA", verdict=Verdict.FAIL, next_step="Train longer."
)
OPEN_ENDED = Check(rule="drift can be computed", verdict=Verdict.UNDECIDED, next_step="Add rows.")


@pytest.mark.parametrize(
    ("checks", "verdict", "summary", "next_step"),
    [
        (
            (),
            Verdict.UNDECIDED,
            "a_gate has no rules.",
            "Give a_gate at least one rule: a gate without rules stays closed.",
        ),
        ((PASSED, PASSED), Verdict.PASS, "all 2 checks passed.", ""),
        (
            (PASSED, OPEN_ENDED, FAILED),
            Verdict.FAIL,
            "auc >= 0.6 on slice carrier=AA failed (observed 0.1235); 1 of 3 checks passed.",
            "Train longer.",
        ),
        (
            (OPEN_ENDED, PASSED),
            Verdict.UNDECIDED,
            "drift can be computed is undecided (observed None); 1 of 2 checks passed.",
            "Add rows.",
        ),
    ],
)
def test_the_worst_check_is_the_summary(
    checks: tuple[Check, ...], verdict: Verdict, summary: str, next_step: str
) -> None:
    decision = Decision.of("a_gate", checks, subject="sha256:" + "a" * 64)
    assert (decision.verdict, decision.summary, decision.next_step) == (verdict, summary, next_step)
    assert (decision.gate, decision.subject, decision.version) == ("a_gate", "sha256:" + "a" * 64, 2)
    assert combine(checks) is verdict


@pytest.mark.parametrize(
    ("bound", "observed", "rule", "verdict"),
    [
        (Bound(at_least=0.62), 0.62, "auc >= 0.62", Verdict.PASS),
        (Bound(at_least=0.62), 0.61, "auc >= 0.62", Verdict.FAIL),
        (Bound(at_most=0.0), 0.0, "auc <= 0", Verdict.PASS),
        (Bound(at_most=0.0), 0.01, "auc <= 0", Verdict.FAIL),
    ],
)
def test_a_number_is_compared_with_its_bound(bound: Bound, observed: float, rule: str, verdict: Verdict) -> None:
    check = compare("auc", observed, bound, "carrier=AA", "Train longer.")
    limit = bound.at_least if bound.at_least is not None else bound.at_most
    assert (check.rule, check.threshold, check.observed, check.slice) == (rule, limit, observed, "carrier=AA")
    assert (check.verdict, check.next_step) == (verdict, "" if verdict is Verdict.PASS else "Train longer.")


def test_a_number_that_is_missing_says_where() -> None:
    check = compare("auc", None, Bound(at_least=0.6), "carrier=AA", "never said")
    assert (check.observed, check.threshold, check.verdict) == (None, 0.6, Verdict.UNDECIDED)
    assert check.next_step == (
        "auc could not be computed on slice carrier=AA: check for empty data or NaN in the model's output."
    )
    assert "computed: check" in compare("auc", math.inf, Bound(at_least=0.6)).next_step


def test_nothing_unknown_nothing_infinite_and_no_other_subject_is_read(tmp_path: Path) -> None:
    written = Decision.of("a_gate", (PASSED,)).model_dump(mode="json")
    for changes in ({"also": 1}, {"subject": "sha256:1"}, {"version": 1}, {"gate": None}):
        with pytest.raises(ValidationError):
            Decision.model_validate(written | changes)
    for changes in ({"also": 1}, {"observed": math.inf}, {"threshold": math.nan}, {"verdict": "maybe"}):
        with pytest.raises(ValidationError):
            Check.model_validate(PASSED.model_dump() | changes)
    decision = Decision.model_validate(written)
    with pytest.raises(ValidationError, match="frozen"):
        decision.verdict = Verdict.FAIL  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        PASSED.verdict = Verdict.FAIL  # type: ignore[misc]


def test_a_decision_is_written_where_there_is_no_folder_and_the_last_of_a_log_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Decision.of("one", (FAILED,)), Decision.of("two", (OPEN_ENDED,))
    first.write(tmp_path / "a" / "b" / "decision.json")
    second.write(tmp_path / "a" / "b" / "decision.json")
    assert Decision.read(tmp_path / "a" / "b" / "decision.json") == second
    log = capsys.readouterr().out
    assert Decision.in_log(f"{log}more\nlines\n") == second
    with pytest.raises(OSError, match="No such file"):
        Decision.read(tmp_path / "nothing")


@pytest.mark.parametrize(("count", "shown"), [(50, 50), (51, 50)])
def test_a_notebook_shows_fifty_checks_and_first_those_that_did_not_pass(count: int, shown: int) -> None:
    passed = [Check(rule=f"rule {number}", verdict=Verdict.PASS) for number in range(count - 1)]
    html = Decision.of("gate", (*passed, Check(rule="the failed one", verdict=Verdict.FAIL)))._repr_html_()
    assert html.count("<tr>") == shown + 1
    table = html[html.index("<table") :]
    assert table.index("the failed one") < table.index("rule 0")
    assert ("50 of which are shown" in html) == (count > shown)
