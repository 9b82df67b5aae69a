"""A small store in which every row of the score finds what it wants: the files are made by hand, without TensorFlow."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.model.features import Feature, Features
from artifacts.model.names import GRAPH, SERVING, WARM_UP_ROWS, WEIGHTS
from artifacts.schema.schema_file import read_schema
from artifacts.spans import files as spans
from artifacts.tuning.tuning import Gain, TrialResult, Tuning
from core import digest
from core.backends.local_registry import LocalRegistry
from core.decision import Bound, Check, Decision, Verdict, compare
from core.source_commit import SourceCommit
from core.store import Store
from core.user_code import ROOT
from mlops.actions.scoring.measurements import Measurement
from mlops.actions.scoring.subject import Subject
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission
from mlops.worlds.localrun_record import content_digest
from mlops.worlds.pinned import compiled_pipeline
from mlops.worlds.sources import code_files
from pipelines.compiled import wiring_digest
from pipelines.config import USECASES, UseCase, load
from pipelines.kinds import Kind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBMISSION = "a" * 32
ROW: dict[str, Any] = {
    "carrier": "UA",
    "origin": "EWR",
    "dest": "IAH",
    "day_of_week": 2,
    "hour": 5,
    "distance": 1400.0,
    "plane_age": 14.0,
    "plane_seats": 149.0,
    "temp": 39.0,
    "dewp": 28.0,
    "humid": 64.0,
    "wind_dir": 260.0,
    "wind_speed": 12.7,
    "precip": 0.0,
    "pressure": 1012.0,
    "visib": 10.0,
}
FAIRNESS = {
    "groups": [["carrier"]],
    "gaps": [{"rate": "selection_rate", "groups": [["carrier"]], "at_most": 0.5, "why": "a bound of a test alone"}],
}
GATES: dict[str, tuple[str, ...]] = {
    "validate_data": ("Split-train: every feature fits the schema", "drift of hour"),
    "evaluate_model": ("auc >= 0.63", "gain in AUC over linear", "gain in AUC over majority"),
    "validate_infra": (
        "start-up in seconds <= 90",
        "32 real rows are answered with finite numbers, one by one and in one request",
        "largest difference to the evaluation, in steps of float32",
        "median latency in ms <= 50",
    ),
    "audit_privacy": ("no personal data and no canary is found",),
    "write_cards": ("every value is what its artifact has",),
    "measure_fairness": ("selection_rate of [carrier] <= 0.5",),
}


@dataclass(frozen=True)
class Healthy:
    """A project's folder with a use case and a store."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "usecases" / "flights"

    @property
    def store(self) -> Store:
        return Store(self.root / "store")

    @property
    def usecase(self) -> UseCase:
        return load(self.folder)

    def subject(self, *, clean: bool = True) -> Subject:
        """What is scored, read anew."""
        return Subject(self.usecase, self.store, SourceCommit("c" * 40, clean=clean), self.root)

    def copy(self, target: Path) -> "Healthy":
        """Return a copy to plant a defect in."""
        shutil.copytree(self.root, target)
        return Healthy(target)

    def change_facts(self, name: str, **facts: Any) -> None:
        """Change what was measured."""
        measurements = self.subject().measurements
        found = measurements.read(name)
        assert found is not None
        measurements.write(found.model_copy(update={"facts": found.facts | facts}))

    def change_config(self, change: Callable[[Any], None]) -> None:
        """Change the configuration; what was measured is about the changed one."""
        path = self.folder / "config.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(settings)
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.measure()

    def change_run(self, change: Callable[[Run], Run]) -> None:
        """Change the record of the run."""
        run = self.subject().run
        assert run is not None
        summary = json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))
        write_run(change(run), summary)

    def change_decision(self, stage: str, rule: str) -> None:
        """Let a rule of a gate fail."""
        path = self.subject().decision_file(stage)
        assert path is not None
        decision = Decision.read(path)
        checks = tuple(
            check.model_copy(update={"verdict": Verdict.FAIL, "next_step": "mend what was planted"})
            if check.rule.startswith(rule)
            else check
            for check in decision.checks
        )
        Decision.of(stage, checks, subject=decision.subject).write(path)

    def measure(self) -> None:
        """Write measurements that are as they should be."""
        subject = self.subject()
        for name, facts in _facts(subject).items():
            subject.measurements.write(
                Measurement(name=name, of=subject.identity, facts=facts, at=NOW.isoformat(), seconds=1.0)
            )


def healthy(root: Path) -> Healthy:
    """Make the store."""
    made = Healthy(root)
    made.folder.mkdir(parents=True)
    for name in ("config.yaml", "module.py", "schema.pbtxt"):
        shutil.copy(USECASES / "flight_delay" / name, made.folder / name)
    (root / ".github" / "workflows").mkdir(parents=True)
    shutil.copy(ROOT / ".github" / "workflows" / "pull-request.yml", root / ".github" / "workflows")
    shutil.copy(ROOT / "uv.lock", root)
    settings = yaml.safe_load((made.folder / "config.yaml").read_text(encoding="utf-8"))
    settings["name"] = "flights"
    settings["measure_fairness"] = FAIRNESS
    settings["push_model"]["requires"].append("measure_fairness")
    settings["ingest_examples"] = {"format": "csv", "window": 1, "split": {"by": "hash"}}
    settings["source"] = {"pattern": "span-{SPAN}/rows.csv", "span": 1}
    (made.folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    _write_data(made)
    model = _write_model(made)
    _write_run(made, model)
    _write_tuning(made)
    made.measure()
    return made


def _write_data(made: Healthy) -> None:
    path = made.store.data / "flights" / "span-1" / "rows.csv"
    path.parent.mkdir(parents=True)
    names = ["late", *ROW]
    lines = [",".join(names), *(",".join(["0", *map(str, ROW.values())]) for _ in range(20))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_model(made: Healthy) -> Path:
    """Write what a training writes; return its folder."""
    model = made.store.root / "artifacts" / "train" / "model"
    saved = model / SERVING
    saved.mkdir(parents=True)
    (saved / GRAPH).write_bytes(b"a graph")
    (saved / "variables").mkdir()
    (saved / "variables" / "variables.index").write_bytes(b"an index")
    schema = read_schema(made.folder / "schema.pbtxt")
    types = {1: "string", 2: "int64", 3: "float32"}
    features = tuple(
        Feature(
            one.name,
            types[one.type],
            required=one.presence.min_fraction == 1.0,
            count="" if one.presence.min_fraction == 1.0 else f"{one.name}_count",
        )  # type: ignore[arg-type]
        for one in schema.feature
        if one.name != "late"
    )
    Features(features, "late", "binary_classification").write(saved)
    (saved / WARM_UP_ROWS).write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    np.savez(saved / WEIGHTS, kernel=np.ones((3, 2), np.float32), bias=np.zeros(2, np.float32))
    return model


def _write_run(made: Healthy, model: Path) -> None:
    usecase, store = made.usecase, made.store
    name = digest.of_folder(model / SERVING)
    folder = store.runs / "flights-level1-1"
    folder.mkdir(parents=True)
    shutil.copy(compiled_pipeline(usecase, "level1", store), folder / "pipeline.yaml")
    code = digest.of_files(code_files(folder / "pipeline.yaml", store).items())
    submission = Submission("flights", code, kind=Kind.TRAINING)
    write_submission(folder, submission)
    window = spans.resolve(f"{store.data}/flights/span-{{SPAN}}/rows.csv", 1, 1)
    data = spans.window_digest(window)
    parameters = {
        "source": window.pattern,
        "span": 1,
        "data": data,
        "submission": SUBMISSION,
        "registry": store.registry,
    }
    examples = store.root / "artifacts" / "ingest" / "examples"
    examples.mkdir(parents=True)
    shard = Shard(name="Split-train/a.gz", split="train", span=1, records=20, sha256="0" * 64)
    ExamplesManifest(
        source=window.pattern, data=data, spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=(shard,)
    ).write(examples)
    tasks = [
        _task("ingest_examples", examples=examples),
        replace(
            _task("train_model", model=model),
            seconds=30.0,
            parameters={"module": usecase.module, "schema": usecase.schema_file},
        ),
    ]
    decisions = {gate: _decision(gate, name if gate != "validate_data" else "") for gate in GATES}
    for gate, decision in decisions.items():
        path = store.root / "artifacts" / gate / "decision"
        decision.write(path)
        tasks.append(_task(gate, decision=path))
    tasks[2] = replace(tasks[2], parameters={"schema": usecase.schema_file})
    registry = LocalRegistry(store.models)
    first = model.parent / "first"
    shutil.copytree(model / SERVING, first)
    (first / GRAPH).write_bytes(b"an earlier graph")
    registry.promote("flights", registry.publish("flights", first, {}).version)
    entries = [
        {"decision": decision.model_dump(mode="json")} for gate, decision in decisions.items() if decision.subject
    ]
    about = {"submission": SUBMISSION, "data": data, "evidence": entries}
    version = registry.publish("flights", model / SERVING, about)
    registry.promote("flights", version.version)
    pushed = store.root / "artifacts" / "push" / "pushed"
    pushed.parent.mkdir(parents=True)
    pushed.write_text(
        json.dumps({"name": "flights", "version": version.version, "digest": version.digest, "path": str(version.path)})
    )
    push = replace(_task("push_model", pushed=pushed), inputs={"model": _artifact(model)})
    run = Run(
        "flights-level1-1",
        "flights-level1",
        submission,
        State.SUCCEEDED,
        parameters,
        NOW,
        60.0,
        folder,
        tasks=(*tasks, push),
    )
    write_run(run, {"run_id": run.run_id, "compiled": wiring_digest(folder / "pipeline.yaml"), "code": code})


def _task(stage: str, **outputs: Path) -> Task:
    found = {name: _artifact(path) for name, path in outputs.items()}
    return Task(stage.replace("_", "-"), stage, State.SUCCEEDED, seconds=1.0, outputs=found)


def _artifact(path: Path) -> Artifact:
    return Artifact("system.Artifact", str(path), content_digest(path))


def _decision(gate: str, subject: str) -> Decision:
    checks = [Check(rule=rule, observed="as it should be", verdict=Verdict.PASS) for rule in GATES[gate]]
    if gate == "evaluate_model":
        checks.append(compare("auc", 0.7, Bound(at_least=0.55), "carrier=UA"))
    return Decision.of(gate, tuple(checks), subject=subject)


def _write_tuning(made: Healthy) -> None:
    """A tuning whose best point is no better than the hyperparameters in use."""
    store = made.store
    folder = store.root / "artifacts" / "tune" / "tuning"
    default = dict(made.usecase.train_model.hyperparameters)
    trials = tuple(
        TrialResult(number=number, hyperparameters=default, epochs=5, epochs_run=5, rung=0, bracket=0, skill=0.69)
        for number in (1, 2, 3)
    )
    Tuning(
        method="halving",
        skill="AUC",
        spans=(1, 2),
        held_back=3,
        rows=1000,
        space=dict.fromkeys(default, "some values"),
        default=default,
        default_skill=0.7,
        trials=trials,
        best=1,
        gains={},
        gain=Gain(tuned=0.69, default=0.7, value=-0.01, low=None, high=None),
        on_bounds=(),
        applied=False,
    ).write(folder)
    run_folder = store.runs / "flights-tuning-1"
    run_folder.mkdir(parents=True)
    submission = Submission("flights", "sha256:code", kind=Kind.TUNING)
    write_submission(run_folder, submission)
    started = NOW - timedelta(days=1)
    run = Run(
        "flights-tuning-1",
        "flights-tuning",
        submission,
        State.SUCCEEDED,
        {},
        started,
        9.0,
        run_folder,
        tasks=(_task("tune_model", tuning=folder),),
    )
    write_run(run, {"run_id": run.run_id})


def _facts(subject: Subject) -> dict[str, dict[str, Any]]:
    names = [feature.name for feature in subject.serving_features]
    return {
        "schema_faults": {"planted": 40, "missed": []},
        "ablation": {"skill": "AUC", "features": {name: {"low": -0.001, "gain": 0.01, "high": 0.02} for name in names}},
        "feature_costs": {"features": {name: {"nanoseconds": 90.0, "vocabulary_bytes": 400} for name in names}},
        "new_feature": {"files": ["module.py", "schema.pbtxt"], "seconds": 40.0, "reached": True},
        "feature_tests": {"tests": 9, "passed": True, "coverage": 1.0, "missing": "none"},
        "tuning": {"run": "flights-tuning-1"},
        "correlation": {"skill": "AUC", "variants": [{}] * 10, "correlation": 0.98},
        "staleness": {"skill": "AUC", "losses": [{"age": 2, "low": 0.0}, {"age": 3, "low": 0.01}]},
        "retraining": {
            "weights": 12,
            "different_weights": [],
            "rows": 1000,
            "different_predictions": 0,
            "changed": "all",
        },
        "specification": {"tests": {"the loss falls": {"passed": True, "observed": "0.7 to 0.5"}}},
        "parity": {"rows": 1000, "float32_steps": 0.0, "allowed": 64.0},
        "trace": {"rows": 5, "transformed": 30, "different": 0, "explained": 5},
        "stability": {"rows": 400, "not_finite": 0},
        "stale_model": {"days": 92.0, "deliveries": 5, "before": 0, "after": 1},
        "live_quality": {"calm_windows": 100, "false_alarms": 0, "windows_to_alarm": 1},
    }
