import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from artifacts.examples.manifest import ExamplesManifest, Shard
from core import digest, objects
from core.backends.registry import open_registry
from core.decision import Check, Decision, Verdict
from core.store import Store
from mlops.cli import main as roof
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission
from mlops.worlds.localrun_record import content_digest

Mlops = Callable[..., tuple[int, str]]

STARTED = datetime(2013, 4, 1, tzinfo=UTC)


class Runs:
    """A store with runs that have ended."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, run_id: str, weights: str, **verdicts: Verdict | None) -> Run:
        folder = self.store.runs / run_id
        folder.mkdir(parents=True)
        (folder / "pipeline.yaml").write_text("compiled")
        submission = Submission(usecase="m", code="sha256:code")
        write_submission(folder, submission)
        model = folder / "model" / "Format-Serving"
        model.mkdir(parents=True)
        (model / "saved_model.pb").write_text(weights)
        examples = folder / "examples"
        examples.mkdir()
        shard = Shard(name="Split-train/x.gz", split="train", span=3, records=7, sha256="sha256:0")
        ExamplesManifest(
            source="/d/{SPAN}",
            data="sha256:da7a",
            spans=(2, 3),
            wanted_spans=3,
            split_by="time",
            rejected=0,
            shards=(shard,),
        ).write(examples)
        ingested, trained = (
            self._artifact(examples, "system.Dataset"),
            self._artifact(folder / "model", "system.Model"),
        )
        tasks = [
            self._task("ingest-examples", {}, {"examples": ingested}),
            self._task("train-model", {"examples": ingested}, {"model": trained}),
        ]
        for gate, verdict in ({"evaluate_model": Verdict.PASS, "validate_infra": Verdict.PASS} | verdicts).items():
            if verdict is not None:
                check = Check(rule="auc >= 0.6", observed=0.5, verdict=verdict, next_step="Train longer.")
                Decision.of(gate, (check,), subject=digest.of_folder(model)).write(folder / f"{gate}.json")
                decision = self._artifact(folder / f"{gate}.json", "system.Artifact")
                tasks.append(self._task(gate.replace("_", "-"), {"model": trained}, {"decision": decision}))
        champion = open_registry(self.store.registry).pointer("m")
        parameters = {"span": 3, "champion": str(champion or "")}
        run = Run(run_id, "m-level0", submission, State.SUCCEEDED, parameters, STARTED, 9.0, folder, tasks=tuple(tasks))
        write_run(run, {"run_id": run_id})
        return run

    def _artifact(self, path: Path, kind: str) -> Artifact:
        return Artifact(kind, str(path), content_digest(path))

    def _task(self, name: str, inputs: dict[str, Artifact], outputs: dict[str, Artifact]) -> Task:
        stage = name.replace("-", "_")
        return Task(name, stage, State.SUCCEEDED, started=STARTED, inputs=inputs, outputs=outputs)


@pytest.fixture(params=["folder", "object store"])
def runs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs whose models go to a folder, and to an object store: every verb does the same for both."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    place = f"{request.getfixturevalue('bucket')}/store" if request.param == "object store" else ""
    monkeypatch.setenv("MLOPS_STORE", place)
    return Runs(Store(tmp_path, place))


@pytest.fixture
def mlops(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Mlops:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mlops", *arguments])
        code = 0
        try:
            roof.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return call


def parsed(output: str) -> dict[str, Any]:
    return json.loads(output)


def test_the_model_of_an_experiment_is_pushed_and_traced_back(runs: Runs, mlops: Mlops) -> None:
    runs.add("run-1", "first")
    code, output = mlops("models", "push", "run-1", "--json")
    assert (code, parsed(output)["version"], parsed(output)["overridden"]) == (0, 1, [])
    assert mlops("models", "push", "run-1", "--json") == (0, output)
    assert parsed(output)["path"] == f"{runs.store.registry}/m/1"

    code, output = mlops("models", "show", "m", "--json")
    shown = parsed(output)
    assert (code, shown["version"], shown["about"]["spans"], shown["about"]["run"]) == (0, 1, [2, 3], "run-1")
    assert shown["lineage"]["run_id"] == "run-1"
    assert shown["lineage"]["code"]["steps"] == "sha256:code"
    assert [task["name"] for task in shown["lineage"]["tasks"]] == ["ingest-examples", "train-model", "models-push-1"]
    code, output = mlops("models", "show", "m")
    assert code == 0
    for text in (
        "m version 1",
        "spans 2, 3 of /d/{SPAN} (7 train)",
        "pass      evaluate_model: all 1 checks passed.",
        "pass      push_model: all 3 checks passed.",
        "run-1 (m-level0",
        "-> model: sha256:",
    ):
        assert text in output


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ({"evaluate_model": Verdict.FAIL}, "evaluate_model passes this model: fail"),
        ({"validate_infra": Verdict.UNDECIDED}, "validate_infra passes this model: undecided"),
        ({"evaluate_model": None}, "evaluate_model decided about this model: no decision"),
    ],
)
def test_a_gate_that_said_no_is_overridden_only_with_a_reason_that_is_kept(
    runs: Runs, mlops: Mlops, verdicts: dict[str, Verdict | None], message: str
) -> None:
    runs.add("run-1", "first", **verdicts)
    code, output = mlops("models", "push", "run-1")
    assert code == 3
    assert message in output
    assert "--override" in output
    assert open_registry(runs.store.registry).names() == []

    code, output = mlops("models", "push", "run-1", "--override", "a holiday is coming", "--json")
    assert code == 0
    override = open_registry(runs.store.registry).get("m", 1).about["override"]
    assert override["reason"] == "a holiday is coming"
    assert message in override["closed"][0]


def test_the_newest_run_is_pushed_and_tried_by_that_name(runs: Runs, mlops: Mlops) -> None:
    registry = open_registry(runs.store.registry)
    runs.add("run-2", "first")
    runs.add("run-1", "second")
    assert mlops("models", "push", "newest")[0] == 0
    assert registry.get("m", 1).about["run"] == "run-1"
    runs.add("run-0", "third")
    assert mlops("models", "canary", "m", "newest")[0] == 0
    assert registry.get("m", 2).about["run"] == "run-0"


def test_a_decision_about_another_model_does_not_stand_for_this_one(runs: Runs, mlops: Mlops) -> None:
    first, second = runs.add("run-1", "first"), runs.add("run-2", "second")
    write_run(replace(second, tasks=(*second.tasks[:2], *first.tasks[2:])), {})
    code, output = mlops("models", "push", "run-2")
    assert code == 3
    assert "evaluate_model decided about this model: it decided about sha256:" in output
    assert open_registry(runs.store.registry).names() == []


def test_a_gate_that_decided_twice_is_named_by_its_tasks(runs: Runs, mlops: Mlops) -> None:
    run = runs.add("run-1", "first")
    again = replace(run.tasks[2], path="for-loop-1[2]/evaluate-model-2")
    write_run(replace(run, tasks=(*run.tasks, again)), {})
    assert mlops("models", "push", "run-1")[0] == 0
    evidence = open_registry(runs.store.registry).get("m", 1).about["evidence"]
    assert [entry["name"] for entry in evidence] == [
        "evaluate-model",
        "validate_infra",
        "for-loop-1[2]/evaluate-model-2",
    ]


def test_a_person_is_held_to_what_the_use_case_requires(runs: Runs, mlops: Mlops) -> None:
    run = runs.add("run-1", "first", validate_infra=None)
    release = {"requires": ["evaluate_model"], "waives": {"validate_infra": "it is never served"}}
    write_run(replace(run, submission=replace(run.submission, release=release)), {})
    assert mlops("models", "push", "run-1")[0] == 0
    assert "waived    validate_infra: it is never served" in mlops("models", "show", "m")[1]


def test_production_goes_back_and_forth(runs: Runs, mlops: Mlops) -> None:
    for number, weights in enumerate(["first", "second"], start=1):
        runs.add(f"run-{number}", weights)
        assert mlops("models", "push", f"run-{number}")[0] == 0
    code, output = mlops("models", "list")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()] == ["m", "1", "2"]
    assert "in production" in output.splitlines()[2]

    code, output = mlops("models", "rollback", "m")
    assert (code, output.splitlines()[0]) == (0, "Version 1 of m is in production.")
    code, output = mlops("models", "rollback", "m")
    assert code == 1
    assert "no earlier version" in output
    models = parsed(mlops("models", "list", "--json")[1])["models"]
    assert [(version["version"], version["champion"]) for version in models[0]["versions"]] == [(1, True), (2, False)]


def test_a_model_that_was_compared_with_another_champion_is_pushed_only_with_a_reason(runs: Runs, mlops: Mlops) -> None:
    runs.add("run-1", "first")
    runs.add("run-2", "second")
    assert mlops("models", "push", "run-1")[0] == 0
    code, output = mlops("models", "push", "run-2")
    assert code == 3
    assert "Run the pipeline again" in output
    assert open_registry(runs.store.registry).numbers("m") == [1]
    assert mlops("models", "push", "run-2", "--override", "the other one is broken")[0] == 0


def test_a_model_whose_bytes_changed_since_the_run_is_refused(runs: Runs, mlops: Mlops) -> None:
    run = runs.add("run-1", "first")
    (run.folder / "model" / "Format-Serving" / "saved_model.pb").write_text("other")
    code, output = mlops("models", "push", "run-1")
    assert code == 1
    assert f"{run.folder}/model: wanted sha256:" in output


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["show", "nn"], 1, "no model 'nn' was ever pushed"),
        (["rollback", "../x"], 2, "no use case '../x'"),
        (["push", "nn"], 1, "no run 'nn'"),
    ],
)
def test_a_model_or_version_that_does_not_exist_is_named(
    runs: Runs, mlops: Mlops, arguments: list[str], exit_code: int, message: str
) -> None:
    code, output = mlops("models", *arguments)
    assert code == exit_code
    assert message in output


def test_a_damaged_version_is_listed_as_a_problem(runs: Runs, mlops: Mlops) -> None:
    runs.add("run-1", "first")
    mlops("models", "push", "run-1")
    if runs.store.objects:
        objects.write(f"{runs.store.registry}/m/1/saved_model.pb", b"other")
    else:
        (runs.store.models / "m" / "1" / "saved_model.pb").write_text("other")
    code, output = mlops("models", "list", "m")
    assert code == 0
    assert "saved_model.pb: wanted sha256:" in output
