"""A gate is open only when all its checks pass."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.decision import Bound, Check, Decision, Verdict, compare

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
