"""A run on a cluster is told in the same words as one on this machine: states, decisions, report, exit code."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kfp import LATER, FakeKfp, FakeMetadata

from core import images, objects
from core.decision import Check, Decision, Verdict
from core.errors import MlopsError
from core.image_record import ImageRecord
from core.store import Store
from mlops.cluster.access import reach
from mlops.cluster.access.reach import Pod
from mlops.runs.events import Event, RunStarted, TaskChanged
from mlops.runs.history import find_summary
from mlops.worlds import kfp_watch
from mlops.worlds.finished import follow_to_end
from mlops.worlds.kfp import Kubeflow
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.world import RunRequest, WorldContext
from pipelines.config import UseCase, find, load

GATES = ("scope_use_case", "validate_data", "evaluate_model", "validate_infra")
TASKS = (
    "scope-use-case",
    "ingest-examples",
    "compute-statistics",
    "validate-data",
    "transform-features",
    "train-model",
    "evaluate-model",
    "validate-infra",
)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kfp_watch, "_PAUSE", 0.01)


@pytest.fixture
def usecase(bucket: str) -> UseCase:
    """The use case with five small spans in the store; what is in them is read by no test here."""
    for span in range(1, 6):
        objects.write(
            f"{bucket}/ml-in-production/data/flight_delay/span-{span}/flights.parquet", f"span {span}".encode()
        )
    return load(find("flight_delay"))


@pytest.fixture
def outputs(bucket: str) -> "Outputs":
    return Outputs(bucket)


@pytest.fixture
def kubeflow(connection: Connection, store: Store) -> Kubeflow:
    return Kubeflow(WorldContext(store), connection)


@pytest.fixture
def local(connection: Connection, store: Store, monkeypatch: pytest.MonkeyPatch) -> Kubeflow:
    """The same where kubectl reaches the pods, and the node has every image."""
    monkeypatch.setattr(reach, "lacking_images", lambda names: [])
    return Kubeflow(WorldContext(store), replace(connection, local=True))


def _decision(gate: str, verdict: Verdict = Verdict.PASS) -> Decision:
    return Decision.of(gate, (Check(rule=f"{gate} holds", verdict=verdict, next_step="mend it"),))


class Outputs:
    """Writes outputs to the object store as the launcher does, and says where in its words."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def put(self, name: str, content: str) -> str:
        objects.write(f"{self._bucket}/v2/artifacts/{name}", content.encode())
        return f"minio://{self._bucket.removeprefix('s3://')}/v2/artifacts/{name}"

    def decision(self, gate: str, verdict: Verdict = Verdict.PASS) -> str:
        return self.put(f"{gate}/decision", _decision(gate, verdict).model_dump_json())


def _end(state: str) -> Callable[[dict[str, Any]], None]:
    def end(run: dict[str, Any]) -> None:
        run.update(state=state, finished_at=LATER)

    return end


def _all_steps(metadata: FakeMetadata, outputs: Outputs, run_id: str) -> None:
    """Record a run that pushed a model, as the cluster does."""
    for task in TASKS:
        gate = task.replace("-", "_")
        made = {"decision": outputs.decision(gate)} if gate in GATES else {}
        made |= (
            {"pictures": outputs.put(f"{task}/pictures", f"<p>pictures of {task}</p>")} if task == "train-model" else {}
        )
        metadata.record(run_id, task, "CACHED" if task == "ingest-examples" else "COMPLETE", made)
    pushed = {"name": "flight_delay", "version": 1, "path": "s3://b/flight_delay/1", "digest": "sha256:" + "0" * 64}
    metadata.record(run_id, "push-model", "COMPLETE", {"pushed": outputs.put("push-model/pushed", json.dumps(pushed))})


def test_a_submission_is_pinned_and_sent_as_compiled(
    kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp, store: Store, bucket: str
) -> None:
    submitted = kubeflow.submit(RunRequest(usecase))
    run = kfp.runs[submitted.run_id]
    parameters = run["runtime_config"]["parameters"]
    assert parameters["source"] == f"{bucket}/ml-in-production/data/flight_delay/span-{{SPAN}}/flights.parquet"
    assert parameters["registry"] == f"{bucket}/ml-in-production/models"
    assert parameters["span"] == 4
    assert parameters["data"].startswith("sha256:")
    compiled, _ = yaml.safe_load_all((submitted.folder / "pipeline.yaml").read_text(encoding="utf-8"))
    sent, _ = yaml.safe_load_all((submitted.folder / "submitted.yaml").read_text(encoding="utf-8"))
    assert sent == compiled
    assert submitted.folder == store.runs / submitted.run_id


def test_the_newest_span_can_be_asked_for(kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp) -> None:
    submitted = kubeflow.submit(RunRequest(usecase, span="newest"))
    assert kfp.runs[submitted.run_id]["runtime_config"]["parameters"]["span"] == 5


def test_without_cache_no_task_takes_a_result_from_it(kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp) -> None:
    submitted = kubeflow.submit(RunRequest(usecase, cache=False))
    spec = kfp.runs[submitted.run_id]["pipeline_spec"]["pipeline_spec"]
    groups = [spec["root"], *(component for component in spec["components"].values() if "dag" in component)]
    assert len(groups) == 5
    assert not [
        task
        for group in groups
        for task in group["dag"]["tasks"].values()
        if task.get("cachingOptions", {}).get("enableCache")
    ]


def test_a_run_that_pushed_is_reported_like_one_on_this_machine(
    kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp, metadata: FakeMetadata, outputs: Outputs
) -> None:
    run_id = kubeflow.submit(RunRequest(usecase)).run_id
    events: list[Event] = []
    kfp.on_look = [
        lambda _: metadata.record(run_id, "train-model", "RUNNING", pod="p"),
        lambda _: _all_steps(metadata, outputs, run_id),
        _end("SUCCEEDED"),
    ]
    outcome, report = follow_to_end(kubeflow, run_id, events.append, 60)
    assert (outcome.exit_code, outcome.state) == (0, "SUCCEEDED")
    assert outcome.pushed is not None
    assert outcome.pushed.version == 1
    assert outcome.next_step.startswith("mlops models list flight_delay --at kfp")
    assert [decision.gate for decision in outcome.decisions] == list(GATES)
    assert "pictures of train-model" in report.read_text(encoding="utf-8")
    assert find_summary(kubeflow.store, run_id)["parameters"]["span"] == 4
    assert isinstance(events[0], RunStarted)
    changes = [(event.task.name, str(event.task.state)) for event in events if isinstance(event, TaskChanged)]
    assert ("train-model", "RUNNING") in changes
    assert changes.count(("train-model", "SUCCEEDED")) == 1


def test_a_gate_that_says_no_skips_what_comes_after_it(
    kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp, metadata: FakeMetadata, outputs: Outputs
) -> None:
    run_id = kubeflow.submit(RunRequest(usecase)).run_id
    metadata.record(
        run_id, "evaluate-model", "COMPLETE", {"decision": outputs.decision("evaluate_model", Verdict.FAIL)}
    )
    kfp.on_look = [_end("SUCCEEDED")]
    outcome, _ = follow_to_end(kubeflow, run_id, lambda _: None, 60)
    assert (outcome.exit_code, outcome.headline) == (3, "Nothing was pushed: evaluate_model did not pass.")
    assert {task.name: task.state for task in outcome.tasks}["push-model"] == "SKIPPED"


def test_a_gate_that_stops_the_run_is_heard_from_its_log(
    usecase: UseCase, kfp: FakeKfp, metadata: FakeMetadata, local: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubeflow Pipelines keeps no output of a task that failed."""
    decision = _decision("validate_data", Verdict.FAIL)
    monkeypatch.setattr(
        reach,
        "logs",
        lambda pod, namespace: f"of {pod}\ndecision: {decision.model_dump_json()}\nSchemaError: the data is not fit",
    )
    run_id = local.submit(RunRequest(usecase)).run_id
    metadata.record(run_id, "validate-data", "FAILED", pod="pod-9")
    kfp.on_look = [_end("FAILED")]
    outcome, _ = follow_to_end(local, run_id, lambda _: None, 60)
    assert (outcome.exit_code, outcome.closed) == (3, decision)
    assert outcome.failed is not None
    assert outcome.failed.log is not None
    assert "SchemaError" in outcome.failed.error
    assert "of pod-9" in outcome.failed.log.read_text(encoding="utf-8")
    assert {task.name: task.state for task in outcome.tasks}["train-model"] == "UPSTREAM_FAILED"


def test_a_run_that_breaks_before_its_first_task_says_what_broke(
    usecase: UseCase, kfp: FakeKfp, local: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        reach, "pods", lambda namespace, labels: [Pod("root-driver", "Failed", ""), Pod("fine", "Succeeded", "")]
    )
    monkeypatch.setattr(reach, "logs", lambda pod, namespace: f"{pod} found no metadata service")
    run_id = local.submit(RunRequest(usecase)).run_id
    kfp.on_look = [_end("FAILED")]
    outcome, _ = follow_to_end(local, run_id, lambda _: None, 60)
    assert (outcome.exit_code, outcome.headline) == (1, "Nothing was pushed: scope-use-case failed.")
    assert outcome.failed is not None
    assert "root-driver found no metadata service" in outcome.failed.error


def test_a_task_that_fails_is_a_failure_and_no_verdict(
    kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp, metadata: FakeMetadata
) -> None:
    run_id = kubeflow.submit(RunRequest(usecase)).run_id
    metadata.record(run_id, "train-model", "FAILED", pod="pod-9")
    kfp.on_look = [_end("FAILED")]
    outcome, _ = follow_to_end(kubeflow, run_id, lambda _: None, 60)
    assert (outcome.exit_code, outcome.headline) == (1, "Nothing was pushed: train-model failed.")
    assert outcome.next_step.endswith("mlops submit flight_delay --at kfp --wait")


def test_sources_that_changed_since_the_images_were_loaded_are_found_out_before_a_pod_waits_for_them(
    local: Kubeflow, usecase: UseCase, kfp: FakeKfp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "lacking_images", lambda names: names[:1])
    with pytest.raises(
        MlopsError, match=r"the cluster's node lacks ml-in-production/data:[0-9a-f]{16}: .*make deploy-local"
    ):
        local.submit(RunRequest(usecase))
    assert not kfp.runs


def test_images_of_a_registry_are_named_by_their_digests(
    connection: Connection, store: Store, usecase: UseCase, kfp: FakeKfp
) -> None:
    digest = "sha256:" + "1" * 64
    for group in images.GROUPS:
        ImageRecord(store.images).add_pushed("registry.example", images.tag(), group, digest)
    site = WorldContext(store, {"MLOPS_IMAGE_REGISTRY": "registry.example"})
    submitted = Kubeflow(site, connection).submit(RunRequest(usecase))
    executors = kfp.runs[submitted.run_id]["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {
        f"registry.example/ml-in-production/{group}@{digest}" for group in images.GROUPS
    }


def test_images_that_were_not_pushed_are_asked_for_by_name(store: Store) -> None:
    with pytest.raises(MlopsError, match="mlops images push"):
        images.chosen_references({"MLOPS_IMAGE_REGISTRY": "registry.example"}, store.images)


def test_a_deadline_says_what_was_waited_for_and_how_to_go_on(
    kubeflow: Kubeflow, usecase: UseCase, metadata: FakeMetadata
) -> None:
    run_id = kubeflow.submit(RunRequest(usecase)).run_id
    metadata.record(run_id, "scope-use-case", "RUNNING")
    with pytest.raises(
        MlopsError,
        match=rf"(?s)has not ended within 0.001 minutes.*scope-use-case running.*mlops runs follow {run_id}",
    ):
        kubeflow.follow(run_id, lambda _: None, 0.06)


def test_an_api_that_is_away_for_a_moment_is_asked_again_and_one_that_stays_away_is_named(
    kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp, metadata: FakeMetadata, outputs: Outputs
) -> None:
    run_id = kubeflow.submit(RunRequest(usecase)).run_id
    kfp.fail.add(("GET", "runs"))
    with pytest.raises(MlopsError, match="answered 500"):
        follow_to_end(kubeflow, run_id, lambda _: None, 60)
    kfp.fail.clear()
    _all_steps(metadata, outputs, run_id)
    kfp.on_look = [_end("SUCCEEDED")]
    assert follow_to_end(kubeflow, run_id, lambda _: None, 60)[0].exit_code == 0


def test_a_run_of_another_store_is_not_known(kubeflow: Kubeflow) -> None:
    with pytest.raises(MlopsError, match="no run 'nobody'"):
        kubeflow.follow("nobody", lambda _: None, 1)


def test_nothing_is_kept_of_a_submission_that_was_refused(
    kubeflow: Kubeflow, usecase: UseCase, kfp: FakeKfp, store: Store
) -> None:
    kfp.fail.add(("POST", "runs"))
    with pytest.raises(MlopsError, match="answered 500"):
        kubeflow.submit(RunRequest(usecase))
    assert not list(Path(store.runs).glob("*"))
