"""Every value of a card is in the artifact that it names; what is missing closes the gate, by the heading's name."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from made import CONFIG, METRICS, SCOPE, Made

from artifacts.cards import annex_iv, cyclonedx, folder, hugging_face
from artifacts.cards.document import Cards
from artifacts.cards.headings import HEADINGS, STATEMENTS
from artifacts.cards.scope import Statements
from artifacts.evidence.evidence import Evidence
from artifacts.release import documents
from artifacts.release.proof import About
from artifacts.release.record import Build
from artifacts.release.store import Releases
from components.collect_evidence.config import Config as Collecting
from components.collect_evidence.logic import Collected, collect
from components.write_cards.config import Config
from core.decision import Decision, Verdict
from core.errors import CorruptArtifact, UsageError

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "docs" / "cards.schema.json"
CYCLONEDX = ".venv-checks/lib/python3.11/site-packages/cyclonedx/schema/_res"
EVERYTHING = {name: f"A statement about {name}, long enough." for name in Statements.model_fields}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def _closed(decision: Decision) -> dict[str, str]:
    return {check.rule: f"{check.observed}; {check.next_step}" for check in decision.checks if check.verdict != "pass"}


def test_every_number_is_the_one_of_its_artifact(made: Made) -> None:
    assert made.write().is_open
    cards = folder.read(made.cards)
    assert cards.subject == made.subject
    performance = {entry.name: entry.value for entry in cards.section("performance").entries}
    assert performance["auc"] == METRICS["overall"]["candidate"]["auc"]
    assert performance["gain over linear, lower end of 95%"] == 0.01
    assert performance["precision"] is None
    rows = {entry.name: (entry.value, entry.at) for entry in cards.section("composition").entries}
    assert rows["rows of train"] == (900, ("/shards/0/records", "/shards/1/records"))
    slices = [(entry.slice, entry.value) for entry in cards.section("slices").entries if entry.name == "auc"]
    assert slices == [("carrier=AA", 0.71), ("carrier=AA, origin=JFK", 0.6)]
    assert cards.section("gates").get("median latency in ms <= 50").value == 2.5
    assert cards.section("privacy").get("AUC of membership inference").value == 0.51
    assert not cards.section("fairness").entries
    stated = cards.section("use").get("intended use")
    assert (stated.value, stated.shown) == (None, "not stated")


def test_the_same_artifacts_give_the_same_bytes(made: Made) -> None:
    made.write()
    before = {path: path.read_bytes() for path in made.cards.rglob("*") if path.is_file()}
    made.write()
    assert before == {path: path.read_bytes() for path in made.cards.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["evaluation/metrics.json", "model/training.json", "examples/manifest.json"])
def test_an_artifact_that_changes_meanwhile_closes_the_gate(
    made: Made, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.write_cards import logic

    decide = logic.decide

    def late(*args: Any) -> Decision:
        path = made.root / name
        path.write_text(path.read_text().replace("7031", "9031").replace("900", "901").replace("500", "501"))
        return decide(*args)

    monkeypatch.setattr(logic, "decide", late)
    decision = made.write()
    assert decision.verdict is Verdict.FAIL
    assert "the card names" in _closed(decision)["every value is what its artifact has"]


def test_a_number_without_a_source_is_no_card(made: Made) -> None:
    made.write()
    path = made.cards / "cards.json"
    content = json.loads(path.read_text())
    section = next(one for one in content["model"] if one["name"] == "performance")
    section["entries"].append({"name": "auc of my dreams", "value": 0.99})
    path.write_text(json.dumps(content))
    with pytest.raises(
        CorruptArtifact, match=r"model\.\d+\.entries\.\d+: 'auc of my dreams': wanted the source of 0.99"
    ):
        folder.read(made.cards)
    section["entries"][-1] |= {"source": "dreams", "at": ["/auc"]}
    path.write_text(json.dumps(content))
    with pytest.raises(CorruptArtifact, match="wanted a digest of dreams, got none"):
        folder.read(made.cards)


CLAIM = {"name": "AUC of the README", "value": 0.70, "source": "evaluation", "at": "/overall/candidate/auc"}


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"within": 0.005}, ""),
        ({}, "it is 0.7031 now"),
        ({"at": "/overall/candidate/accuracy"}, "nothing there"),
        ({"source": "evaluations"}, "no such source; known: configuration"),
    ],
)
def test_a_claimed_number_is_what_its_artifact_has_or_closes_the_gate(
    made: Made, claim: dict[str, Any], says: str
) -> None:
    decision = made.write(claims=[CLAIM | claim])
    assert decision.verdict is (Verdict.FAIL if says else Verdict.PASS)
    assert says in "".join(_closed(decision).values())


def test_what_a_risk_class_needs_is_asked_for_by_name_and_key(made: Made) -> None:
    decision = made.write(risk_class="high")
    assert decision.verdict is Verdict.UNDECIDED
    closed = _closed(decision)
    assert len(closed) == 7, "headings 4 and 5 are complete: the metrics' own reasons and the risks are stated"
    for name in ("intended use", "human oversight", "standards", "declaration of conformity", "post-market plan"):
        assert any(name in one and STATEMENTS[name] in one for one in closed.values()), name
    assert made.write(risk_class="high", scope=SCOPE | {"statements": EVERYTHING}).is_open
    assert not made.write(headings=[8]).is_open
    assert made.write(risk_class="unacceptable").verdict is Verdict.FAIL


def test_without_a_scope_everything_a_person_knows_is_not_stated(made: Made) -> None:
    decision = made.write(scope=None)
    assert decision.verdict is Verdict.UNDECIDED
    assert "the use of personal data is stated" in _closed(decision)


def test_personal_data_needs_a_statement_of_its_basis_whatever_the_risk(made: Made) -> None:
    personal = SCOPE | {"ethics": SCOPE["ethics"] | {"personal_data": True, "protected_groups": ["sex"]}}
    decision = made.write(scope=personal)
    assert "lawful basis, retention" in _closed(decision)["the use of personal data is stated"]
    statements = {"lawful_basis": "contract with the passenger", "retention": "two years, then deleted"}
    assert made.write(scope=personal | {"statements": statements}).is_open
    unstated = {"affected": "everybody on board", "personal_data": True}
    with pytest.raises(ValueError, match="statement"):
        Config.model_validate(CONFIG | {"scope": personal | {"ethics": unstated}})


def test_the_document_has_the_published_schema(made: Made) -> None:
    made.write()
    jsonschema.validate(json.loads((made.cards / "cards.json").read_bytes()), json.loads(PUBLISHED.read_bytes()))


def test_the_published_schema_is_the_document_s() -> None:
    again = (
        "import json; from artifacts.cards.document import Cards as C; "
        "print(json.dumps(C.model_json_schema(), indent=2))"
    )
    published = json.loads(PUBLISHED.read_bytes())
    assert published == Cards.model_json_schema(), f"write it again: python -c '{again}' > docs/{PUBLISHED.name}"


def test_hugging_face_reads_task_licence_and_metrics_from_the_header(made: Made) -> None:
    made.write(scope=SCOPE | {"statements": EVERYTHING | {"licence": "apache-2.0"}})
    _, front, body = hugging_face.readme(folder.read(made.cards)).split("---\n", 2)
    header = yaml.safe_load(front)
    assert (header["license"], header["pipeline_tag"]) == ("apache-2.0", "tabular-classification")
    (result,) = header["model-index"][0]["results"]
    assert {one["type"]: one["value"] for one in result["metrics"]} == {"auc": 0.7031, "log_loss": 0.5}
    assert result["dataset"]["name"] == "flights, spans 1, 2, 3"
    assert "| 0.7031 | evaluation `/overall/candidate/auc` |" in body


def test_annex_iv_has_its_nine_headings_and_names_what_is_missing(made: Made) -> None:
    made.write()
    files = annex_iv.files(folder.read(made.cards))
    assert list(files) == sorted(path.name for path in (made.cards / "annex-iv").iterdir())
    assert len(files) == len(HEADINGS) == 9
    assert (
        "- intended use: not stated; config.yaml: write scope_use_case.statements.intended_use"
        in files[HEADINGS[0].file]
    )


def test_the_cards_travel_with_the_evidence_to_the_release(made: Made, tmp_path: Path) -> None:
    made.write()
    decided = {"write_cards": str(made.root / "decision.json")}
    collected = Collected(decided, str(made.root / "evidence"), str(made.cards))
    evidence = collect(Collecting(), collected, tmp_path / "collected")
    assert Evidence.read(tmp_path / "collected") == evidence
    assert [entry.name for entry in evidence.entries] == ["validate_infra", "audit_privacy", "write_cards"]
    store = Releases(str(tmp_path / "releases"))
    sbom = store.add_blob(json.dumps(BASE).encode())
    digest = f"sha256:{'0' * 64}"
    build = Build(
        usecase="flights",
        pipeline="level1",
        compiled=digest,
        configuration=digest,
        images={},
        sboms={documents.SERVING: sbom},
        commit="",
        clean=False,
    )
    about = About("", made.subject)
    card, bill = documents.proofs(evidence, build, about, store)
    assert Cards.parse(card.content, "the release") == folder.read(made.cards)
    assert json.loads(bill.content)["specVersion"] == "1.6"
    assert [one["name"] for one in json.loads(bill.content)["components"]] == ["numpy", "flights", "flights data"]
    assert (card.proof.decision.subject, bill.proof.decision.verdict) == (made.subject, Verdict.PASS)
    assert documents.without_documents(evidence).cards is None
    with pytest.raises(UsageError, match="wanted a card that names the model"):
        documents.proofs(evidence, build, About("", digest), store)


def test_cards_that_were_changed_after_they_were_attached_are_refused(made: Made, tmp_path: Path) -> None:
    made.write()
    path = tmp_path / "collected"
    collect(Collecting(), Collected({}, str(made.root / "evidence"), str(made.cards)), path)
    path.write_text(path.read_text().replace("0.7031", "0.9031"))
    with pytest.raises(CorruptArtifact, match="the cards were changed after they were attached"):
        Evidence.read(path)


BASE: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"component": {"type": "library", "bom-ref": "app", "name": "app"}},
    "components": [{"type": "library", "bom-ref": "numpy@1.26.4", "name": "numpy", "version": "1.26.4"}],
    "dependencies": [{"ref": "app", "dependsOn": ["numpy@1.26.4"]}],
}


@pytest.mark.parametrize("base", [None, BASE], ids=["alone", "merged"])
def test_the_bill_of_materials_has_the_model_with_its_card(made: Made, base: dict[str, Any] | None) -> None:
    made.write(scope=SCOPE | {"statements": EVERYTHING})
    bill = cyclonedx.bill(folder.read(made.cards), base, "3")
    every = [bill["metadata"]["component"], *bill["components"]]
    model = next(one for one in every if one["type"] == "machine-learning-model")
    assert (model["version"], model["hashes"][0]["content"]) == ("3", made.subject.removeprefix("sha256:"))
    metrics = {one["type"]: one["value"] for one in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    assert metrics["log_loss"] == "0.5"
    references = {one["bom-ref"] for one in every}
    assert {one["ref"] for one in bill["dependencies"]} <= references
    assert not base or base["components"][0] in bill["components"]


@pytest.mark.skipif(not (ROOT / CYCLONEDX).is_dir(), reason="the group `checks`, which has the schemas, is missing")
@pytest.mark.parametrize("base", [None, BASE], ids=["alone", "merged"])
def test_the_bill_of_materials_has_cyclonedx_s_published_schema(made: Made, base: dict[str, Any] | None) -> None:
    from referencing import Registry, Resource

    made.write(scope=SCOPE | {"statements": EVERYTHING})
    names = ("bom-1.6", "jsf-0.82", "spdx")
    schemas = [json.loads((ROOT / CYCLONEDX / f"{name}.SNAPSHOT.schema.json").read_bytes()) for name in names]
    registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in schemas)
    validator = jsonschema.Draft7Validator(schemas[0], registry=registry)
    assert not list(validator.iter_errors(cyclonedx.bill(folder.read(made.cards), base, "3")))
