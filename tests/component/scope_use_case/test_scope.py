"""An incomplete scope stops the run before anything is spent, and says what is missing."""

from pathlib import Path
from typing import Any

import pytest

from components.scope_use_case.config import Config
from components.scope_use_case.logic import scope
from core.decision import Decision, Verdict
from core.errors import MlopsError

COMPLETE: dict[str, Any] = {
    "business_objective": "Tell passengers early that their flight may be late.",
    "ml_objective": "Probability that a flight arrives more than 15 minutes late.",
    "primary_metric": "auc",
    "reference": {"baseline": "late rate by carrier and hour", "baseline_value": 0.60, "human_level": "unknown"},
    "resources": {"owner": "operations", "training_minutes": 5, "latency_ms": 20},
    "risks": [{"what": "the weather changes the pattern", "mitigation": "retrain every month"}],
    "ethics": {
        "affected": "passengers who plan around it",
        "personal_data": False,
        "statement": "No passenger is described by any feature.",
    },
    "label": "late",
    "task": "binary_classification",
    "metrics": [{"name": "auc", "at_least": 0.62, "why": "walk-forward measurement"}],
}


def test_a_complete_scope_passes_and_writes_its_decision(tmp_path: Path) -> None:
    decision = scope(Config.model_validate(COMPLETE), tmp_path / "decision.json")
    assert decision.is_open
    assert Decision.read(tmp_path / "decision.json") == decision


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"primary_metric": "acu"}, "did you mean 'auc'"),
        ({"reference": {**COMPLETE["reference"], "baseline_value": 0.65}}, "set the threshold of auc"),
        ({"risks": []}, "scope_use_case.risks"),
        ({"ethics": {**COMPLETE["ethics"], "personal_data": True}}, "protected_groups"),
    ],
)
def test_an_incomplete_scope_stops_the_run_and_names_what_is_missing(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(MlopsError, match=named):
        scope(Config.model_validate({**COMPLETE, **change}), tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json").verdict is Verdict.FAIL


def test_an_upper_threshold_may_not_be_above_the_baseline(tmp_path: Path) -> None:
    loose = {
        **COMPLETE,
        "primary_metric": "loss",
        "metrics": [{"name": "loss", "at_most": 0.7, "why": "walk-forward measurement"}],
    }
    with pytest.raises(MlopsError, match="loss"):
        scope(Config.model_validate(loose), tmp_path / "decision.json")
