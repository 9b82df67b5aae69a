"""The decision's JSON Schema is published, so that other tools can read what a gate said."""

import json
from pathlib import Path

import jsonschema

from core.decision import Check, Decision, Verdict

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "decision.schema.json"


def test_the_published_schema_is_the_models_own() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    again = "import json; from core.decision import Decision; print(json.dumps(Decision.model_json_schema(), indent=2))"
    assert published == Decision.model_json_schema(), f"write it again: python -c '{again}' > docs/{PUBLISHED.name}"


def test_what_a_gate_writes_holds_under_the_schema(tmp_path: Path) -> None:
    checks = (
        Check(rule="auc >= 0.6", threshold=0.6, observed=0.7, verdict=Verdict.PASS),
        Check(rule="auc >= 0.6", threshold=0.6, slice="carrier=AA", verdict=Verdict.UNDECIDED, next_step="Look."),
    )
    Decision.of("evaluate_model", checks).write(tmp_path / "decision.json")
    jsonschema.validate(json.loads((tmp_path / "decision.json").read_text()), json.loads(PUBLISHED.read_text()))
