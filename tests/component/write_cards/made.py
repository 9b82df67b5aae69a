"""The artifacts of a small model, as the stages before `write_cards` leave them; nothing was trained."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.evidence.evidence import Evidence
from artifacts.examples.manifest import ExamplesManifest, Shard
from components.write_cards.config import Config
from components.write_cards.logic import Inputs, Outputs, write
from core import digest
from core.decision import Check, Decision, Verdict

SCOPE: dict[str, Any] = {
    "business_objective": "Tell gate staff which flights will be late.",
    "ml_objective": "Probability that a flight arrives late.",
    "primary_metric": "auc",
    "reference": {"baseline": "Late rate by carrier.", "baseline_value": 0.61, "human_level": "unknown"},
    "resources": {"owner": "operations", "training_minutes": 10, "latency_ms": 50},
    "risks": [{"what": "Delays move with the season.", "mitigation": "Retrained every month."}],
    "ethics": {
        "affected": "Passengers who plan around it.",
        "personal_data": False,
        "statement": "No feature describes a passenger.",
    },
}
CONFIG: dict[str, Any] = {
    "name": "flights",
    "risk_class": "minimal",
    "label": "late",
    "task": "binary_classification",
    "metrics": [{"name": "auc", "at_least": 0.6, "why": "the worst month reaches 0.65"}],
    "scope": SCOPE,
}
METRICS: dict[str, Any] = {
    "version": 1,
    "examples": 200,
    "skill": {"name": "AUC", "candidate": 0.7},
    "overall": {"candidate": {"auc": 0.7031, "log_loss": 0.5, "example_count": 200.0, "precision": None}},
    "comparisons": [
        {"name": "linear", "skill": 0.66, "gain": {"low": 0.01, "value": 0.04, "high": 0.07}, "confidence": 0.95}
    ],
    "slices": [
        {"slice": {"carrier": "AA"}, "examples": 120, "candidate": {"auc": 0.71}},
        {"slice": {"carrier": "AA", "origin": "JFK"}, "examples": 30, "candidate": {"auc": 0.6}},
        {"slice": {"carrier": "B6", "origin": "EWR"}, "examples": 3, "candidate": {"auc": None}},
    ],
}


@dataclass
class Made:
    """A folder with a model's artifacts."""

    root: Path

    def __post_init__(self) -> None:
        serving = self.root / "model" / "Format-Serving"
        (serving / "assets.extra").mkdir(parents=True)
        (serving / "saved_model.pb").write_text("graph")
        features = {"version": 2, "features": [{"name": "carrier", "dtype": "string"}]}
        (serving / "assets.extra" / "features.json").write_text(json.dumps(features))
        (self.root / "model" / "training.json").write_text(json.dumps({"rows": 900, "parameters": 12, "epochs": 3}))
        (self.root / "evaluation").mkdir()
        (self.root / "evaluation" / "metrics.json").write_text(json.dumps(METRICS))
        shards = tuple(
            Shard(name=f"{split}-{span}", split=split, span=span, records=records, sha256="sha256:0")
            for split, span, records in (("train", 1, 400), ("train", 2, 500), ("eval", 3, 200))
        )
        (self.root / "examples").mkdir()
        ExamplesManifest(
            source="/d/{SPAN}",
            data="sha256:da7a",
            spans=(1, 2, 3),
            wanted_spans=3,
            split_by="time",
            rejected=0,
            shards=shards,
        ).write(self.root / "examples")
        self.subject = digest.of_folder(serving)
        latency = Check(rule="median latency in ms <= 50", threshold=50.0, observed=2.5, verdict=Verdict.PASS)
        attack = Check(rule="AUC of membership inference", threshold=0.55, observed=0.51, verdict=Verdict.PASS)
        decided = {"validate_infra": latency, "audit_privacy": attack}
        Evidence.of({gate: Decision.of(gate, (one,), subject=self.subject) for gate, one in decided.items()}).write(
            self.root / "evidence"
        )

    @property
    def cards(self) -> Path:
        return self.root / "cards"

    def write(self, **config: Any) -> Decision:
        """Write the cards with some of the configuration changed."""
        paths = [str(self.root / name) for name in ("examples", "model", "evaluation", "evidence")]
        outputs = Outputs(self.cards, self.root / "decision.json", self.root / "pictures.html")
        return write(Config.model_validate(CONFIG | config), Inputs.at(*paths), outputs)
