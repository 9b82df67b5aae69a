"""A registry with a champion, and a candidate that passed every gate: what the tests of a push begin with."""

import json
from pathlib import Path
from typing import Any

from artifacts.evidence.evidence import Evidence
from artifacts.examples.manifest import ExamplesManifest, Shard
from components.push_model.config import Config
from components.push_model.logic import Destination, Outputs, Release, push
from core import digest
from core.backends.local_registry import LocalRegistry
from core.decision import Check, Decision, Verdict

GATES = ("evaluate_model", "validate_infra")
OTHER = "sha256:" + "0" * 64


def decision(gate: str, subject: str, verdict: Verdict = Verdict.PASS) -> Decision:
    check = Check(rule="auc >= 0.6", threshold=0.6, observed=0.7, verdict=verdict, next_step="Train longer.")
    return Decision.of(gate, (check,), subject=subject)


def model(folder: Path, weights: str) -> Path:
    serving = folder / "Format-Serving"
    (serving / "variables").mkdir(parents=True)
    (serving / "saved_model.pb").write_text("graph")
    (serving / "variables" / "variables.index").write_text(weights)
    return folder


def subject(folder: Path) -> str:
    return digest.of_folder(folder / "Format-Serving")


def candidate(folder: Path, weights: str = "new") -> Release:
    examples = folder / "examples"
    examples.mkdir(parents=True)
    shard = Shard(name="Split-train/x.gz", split="train", span=3, records=7, sha256="sha256:0")
    ExamplesManifest(
        source="/d/{SPAN}",
        data="sha256:da7a",
        spans=(1, 2, 3),
        wanted_spans=3,
        split_by="time",
        rejected=0,
        shards=(shard,),
    ).write(examples)
    about = subject(model(folder / "model", weights))
    Evidence.of({gate: decision(gate, about) for gate in GATES}).write(folder / "evidence")
    return Release(folder / "model", folder / "evidence", examples)


class Challenge:
    """A registry with a champion, and a candidate that was compared with it."""

    def __init__(self, folder: Path) -> None:
        self.registry = LocalRegistry(folder / "models")
        old = self.registry.publish("m", model(folder / "old", "old") / "Format-Serving", {})
        self.champion = self.registry.promote("m", old.version)
        self.candidate = candidate(folder / "candidate")
        self.outputs = Outputs(folder / "pushed.json", folder / "decision.json")

    @property
    def destination(self) -> Destination:
        return Destination("m", str(self.registry.root), self.champion.reference, "submission-1")

    @property
    def subject(self) -> str:
        return subject(self.candidate.model)

    def push(self, **config: Any) -> str:
        return push(Config(**config), self.candidate, self.destination, self.outputs)

    def evidence(self, **decisions: Decision) -> None:
        """Give the candidate this evidence instead of what it has."""
        Evidence.of(decisions).write(self.candidate.evidence)

    def refused(self, verdict: Verdict, says: str, **config: Any) -> None:
        """Push, and hold that the gate is closed, says why, and that nothing at all was pushed."""
        versions, champion = self.registry.versions("m"), self.registry.champion("m")
        assert self.push(**config) == ""
        closed = Decision.read(self.outputs.decision)
        assert (closed.gate, closed.verdict, closed.subject) == ("push_model", verdict, self.subject)
        assert says in closed.model_dump_json()
        assert closed.next_step
        assert json.loads(Path(self.outputs.pushed).read_text()) is None
        assert self.registry.versions("m") == versions
        assert self.registry.champion("m") == champion
        assert self.registry.problems("m") == []
