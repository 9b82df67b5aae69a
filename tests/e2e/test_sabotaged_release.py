"""Evidence that is incomplete, about another model or changed since stops a release, and nothing is pushed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from artifacts.evidence.evidence import Evidence
from core.backends.metadata import open_metadata
from core.backends.registry import open_registry
from core.decision import Check, Decision, Verdict
from mlops.report.outcome import Outcome
from pipelines import compiled
from pipelines.kinds import Kind

from .conftest import Road
from .planted_release import PLAN

pytestmark = pytest.mark.timeout(900)

OTHER = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Candidate:
    """A real model, its examples, and what the gates really decided about it."""

    model: str
    examples: str
    decisions: dict[str, Decision]


@pytest.fixture(scope="module")
def candidate(road: Road) -> Candidate:
    champion = open_registry(str(road.store.models)).champion("flight_delay")
    assert champion is not None
    lineage = open_metadata(road.store.metadata).lineage("flight_delay", champion.version, champion.digest)
    evidence = champion.about["evidence"]
    return Candidate(
        lineage.task("train_model").outputs["model"].uri,
        lineage.task("ingest_examples").outputs["examples"].uri,
        {entry["name"]: Decision.model_validate(entry["decision"]) for entry in evidence},
    )


@pytest.fixture(autouse=True)
def planted_pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in (("release", "release"), ("twice", "two_evaluations")):
        wiring = f"tests.e2e.planted_release:{function}"
        monkeypatch.setitem(compiled.PIPELINES, name, compiled.PipelineSpec(Kind.TRAINING, wiring, "planted faults"))


Decisions = dict[str, Decision]


def _as_it_is(decisions: Decisions) -> Decisions:
    return decisions


def _about(decision: Decision, subject: str) -> Decision:
    return Decision.of(decision.gate, decision.checks, subject=subject)


def _evaluation_of_another_model(decisions: Decisions) -> Decisions:
    return decisions | {"evaluate_model": _about(decisions["evaluate_model"], OTHER)}


def _no_infra(decisions: Decisions) -> Decisions:
    return {"evaluate_model": decisions["evaluate_model"]}


def _closed(decision: Decision) -> Decision:
    worse = Check(rule="auc >= 0.99", observed=0.6, verdict=Verdict.FAIL, next_step="Train longer.")
    return Decision.of(decision.gate, (*decision.checks, worse), subject=decision.subject)


def _closed_infra(decisions: Decisions) -> Decisions:
    return decisions | {"validate_infra": _closed(decisions["validate_infra"])}


def _unknown_gate(decisions: Decisions) -> Decisions:
    fair = Check(rule="everybody is treated alike", verdict=Verdict.PASS)
    return decisions | {"fairness": Decision.of("check_fairness", (fair,), subject=decisions["evaluate_model"].subject)}


def _refused_before_compression(decisions: Decisions) -> Decisions:
    """Two evaluations in one run; the one of the model that was compressed away says no."""
    return decisions | {"before_compression": _closed(_about(decisions["evaluate_model"], OTHER))}


def _blessed_before_compression(decisions: Decisions) -> Decisions:
    """Two evaluations in one run; the one of the model that is pushed says no."""
    evaluated = decisions["evaluate_model"]
    return decisions | {"before_compression": _about(evaluated, OTHER), "evaluate_model": _closed(evaluated)}


def _opened_by_hand(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"verdict": "fail"', '"verdict": "pass"', 1), encoding="utf-8")


def _better_number(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert '"summary": "all ' in text
    path.write_text(text.replace('"summary": "all ', '"summary": "really all ', 1), encoding="utf-8")


def _usecase(road: Road, name: str) -> Path:
    folder = road.usecase(name)
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")) | {"name": name}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def _run(road: Road, name: str, plan: dict[str, object], pipeline: str = "release") -> Outcome:
    """Run a planted pipeline as a use case of its own, whose model nobody has pushed before."""
    folder = _usecase(road, name)
    (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")
    return road.run(folder, pipeline)


def _files(folder: Path, decisions: Decisions) -> dict[str, str]:
    for name, decision in decisions.items():
        decision.write(folder / name)
    return {name: str(folder / name) for name in decisions}


@pytest.mark.parametrize(
    ("planted", "gate_says"),
    [
        (_as_it_is, ""),
        (_refused_before_compression, ""),
        (_evaluation_of_another_model, "it decided about sha256:000"),
        (_blessed_before_compression, "evaluate_model passes this model"),
        (_no_infra, "validate_infra decided about this model"),
        (_closed_infra, "validate_infra passes this model"),
        (_unknown_gate, "Add check_fairness to push_model.requires"),
    ],
)
def test_only_complete_evidence_of_this_model_is_pushed(
    road: Road, candidate: Candidate, tmp_path: Path, planted: Callable[[Decisions], Decisions], gate_says: str
) -> None:
    name = f"release{planted.__name__}"
    files = _files(tmp_path, planted(candidate.decisions))
    outcome = _run(road, name, {"model": candidate.model, "examples": candidate.examples, "decisions": files})
    if not gate_says:
        assert outcome.exit_code == 0, outcome.headline
        assert outcome.pushed is not None
        return
    assert outcome.closed is not None, outcome.headline
    assert outcome.closed.gate == "push_model"
    assert gate_says in outcome.closed.model_dump_json()
    assert outcome.exit_code == 3
    assert outcome.state == "SUCCEEDED"
    assert outcome.pushed is None
    assert name not in open_registry(str(road.store.models)).names()


def test_a_decision_that_was_opened_by_hand_is_not_collected(road: Road, candidate: Candidate, tmp_path: Path) -> None:
    files = _files(tmp_path, _closed_infra(candidate.decisions))
    _opened_by_hand(Path(files["validate_infra"]))
    outcome = _run(
        road, "release_opened", {"model": candidate.model, "examples": candidate.examples, "decisions": files}
    )
    assert outcome.failed is not None
    assert outcome.failed.name == "collect-evidence"
    assert "the verdict of the checks is fail" in outcome.failed.error
    assert outcome.pushed is None
    assert "release_opened" not in open_registry(str(road.store.models)).names()


def test_evidence_that_was_changed_is_not_believed(road: Road, candidate: Candidate, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    Evidence.of(candidate.decisions).write(evidence)
    _better_number(evidence)
    outcome = _run(
        road,
        "release_changed",
        {"model": candidate.model, "examples": candidate.examples, "evidence": str(evidence)},
    )
    assert outcome.closed is not None
    assert "was changed after it was added" in outcome.closed.summary
    assert (outcome.exit_code, outcome.pushed) == (3, None)
    assert "release_changed" not in open_registry(str(road.store.models)).names()


def test_a_model_that_was_evaluated_twice_is_pushed_with_both_decisions(road: Road, candidate: Candidate) -> None:
    plan = {"model": candidate.model, "examples": candidate.examples}
    outcome = _run(road, "evaluated_twice", plan, "twice")
    assert outcome.pushed is not None, outcome.headline
    champion = open_registry(str(road.store.models)).champion("evaluated_twice")
    assert champion is not None
    entries = {entry["name"]: entry["decision"] for entry in champion.about["evidence"]}
    assert {name: decision["gate"] for name, decision in entries.items()} == {
        "evaluate_model": "evaluate_model",
        "strictly": "evaluate_model",
        "validate_infra": "validate_infra",
    }
    assert {decision["subject"] for decision in entries.values()} == {champion.digest}
    rules = [check["rule"] for check in champion.about["decision"]["checks"]]
    assert rules[:3] == [
        "evaluate_model passes this model",
        "evaluate_model (strictly) passes this model",
        "validate_infra passes this model",
    ]
