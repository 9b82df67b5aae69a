"""Evidence has the decisions of the gates with their models, detects changes, and meets requirements or not."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.evidence.evidence import Evidence
from artifacts.evidence.requirements import Requirements
from core.decision import Check, Decision, Verdict, combine
from core.errors import CorruptArtifact

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "evidence.schema.json"
MODELS = ["", *(f"sha256:{digit * 64}" for digit in "12")]
GATES = ("evaluate_model", "validate_infra", "check_fairness")
REQUIRED = GATES[:2]


def decision(gate: str, subject: str, verdict: Verdict) -> Decision:
    return Decision.of(
        gate, (Check(rule="a rule", observed=0.1, verdict=verdict, next_step="mend it"),), subject=subject
    )


DECISIONS = st.lists(
    st.builds(decision, st.sampled_from(GATES), st.sampled_from(MODELS), st.sampled_from(list(Verdict))), max_size=6
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(DECISIONS, st.sampled_from(MODELS[1:]))
def test_a_release_is_open_only_on_passes_of_every_required_gate_about_this_model(
    decisions: list[Decision], model: str
) -> None:
    evidence = Evidence.of({f"entry-{index}": decision for index, decision in enumerate(decisions)})
    verdict = combine(Requirements(REQUIRED).checks(evidence, model))
    of_model = [decision for decision in decisions if decision.subject == model]
    complete = {decision.gate for decision in of_model} >= set(REQUIRED)
    all_open = all(decision.is_open for decision in of_model)
    all_known = all(decision.gate in REQUIRED for decision in decisions)
    assert (verdict is Verdict.PASS) == (complete and all_open and all_known)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(DECISIONS)
def test_evidence_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, decisions: list[Decision]
) -> None:
    path = tmp_path_factory.mktemp("evidence") / "evidence"
    evidence = Evidence.of({f"entry-{index}": one for index, one in enumerate(decisions)})
    evidence.write(path)
    assert Evidence.read(path) == evidence


@pytest.mark.parametrize(
    ("key", "value"),
    [("subject", MODELS[2]), ("gate", "validate_infra"), ("summary", "all is well"), ("verdict", "fail")],
)
def test_a_decision_that_was_changed_is_not_read(tmp_path: Path, key: str, value: str) -> None:
    Evidence.of({"a": decision("evaluate_model", MODELS[1], Verdict.PASS)}).write(tmp_path / "evidence")
    content = json.loads((tmp_path / "evidence").read_text())
    content["entries"][0]["decision"][key] = value
    (tmp_path / "evidence").write_text(json.dumps(content))
    with pytest.raises(CorruptArtifact, match=r"evidence: wanted the evidence of a model, got entries\.0"):
        Evidence.read(tmp_path / "evidence")


def test_the_published_schema_is_the_models_own() -> None:
    again = (
        "import json; from artifacts.evidence.evidence import Evidence; "
        "print(json.dumps(Evidence.model_json_schema(), indent=2))"
    )
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == Evidence.model_json_schema(), f"write it again: python -c '{again}' > docs/{PUBLISHED.name}"
