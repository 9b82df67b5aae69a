"""A run on Vertex AI is the compiled file as one job, reported like one on this machine; here against a fake of it."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from fake_vertex import NUMBERED, PARENT, FakeVertex
from hypothesis import given
from hypothesis import strategies as st

from core import images, objects
from core.decision import Check, Decision, Verdict
from core.errors import MlopsError, UsageError
from core.image_record import ImageRecord
from core.store import Store
from mlops.runs.events import Event, Noted, TaskChanged
from mlops.triggers.launcher import WorldLauncher
from mlops.worlds.finished import follow_to_end
from mlops.worlds.table import open_world
from mlops.worlds.vertex import api, checks, watch
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.job import DEADLINE, display_name, label_value
from mlops.worlds.vertex.world import Vertex
from mlops.worlds.world import RunRequest, UnsupportedByWorld, WorldContext
from pipelines.config import UseCase, find, load
from tests.google_storage import Served
from tests.loopback import Fault, Loopback

REGISTRY = "europe-west1-docker.pkg.dev/central/images"
ACCOUNT = "pipelines@my-project.iam.gserviceaccount.com"
DIGEST = "sha256:" + "1" * 64


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PAUSE", 0.01)
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)


@pytest.fixture
def vertex() -> FakeVertex:
    return FakeVertex()


@pytest.fixture
def loopback(vertex: FakeVertex) -> Loopback:
    return Loopback(vertex.answer)


@pytest.fixture
def settings(loopback: Loopback, google_storage: Served) -> Iterator[dict[str, Any]]:
    with loopback.served() as url:
        yield {
            "project": "my-project",
            "region": "europe-west1",
            "root": f"{google_storage.address}/ml",
            "service_account": ACCOUNT,
            "registry": REGISTRY,
            "api": url,
        }


@pytest.fixture
def usecase(settings: dict[str, Any]) -> UseCase:
    for span in range(1, 6):
        objects.write(f"{settings['root']}/data/flight_delay/span-{span}/flights.parquet", f"span {span}".encode())
    return load(find("flight_delay"))


@pytest.fixture
def store(store: Store) -> Store:
    for group in images.GROUPS:
        ImageRecord(store.images).add_pushed(REGISTRY, images.tag(), group, DIGEST)
    return store


def opened(store: Store, settings: dict[str, Any], **changes: Any) -> Vertex:
    world = open_world("vertex", WorldContext(store, {"MLOPS_DEPLOYMENT": json.dumps({**settings, **changes})}))
    assert isinstance(world, Vertex)
    return world


@pytest.fixture
def world(store: Store, settings: dict[str, Any]) -> Vertex:
    return opened(store, settings)


@pytest.mark.parametrize("pipeline", ["level0", "level1"])
def test_document_1_is_accepted_as_it_was_compiled(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, google_storage: Served, pipeline: str
) -> None:
    submitted = world.submit(RunRequest(usecase, pipeline))
    job = vertex.jobs[submitted.run_id]
    compiled = next(yaml.safe_load_all((submitted.folder / "pipeline.yaml").read_text(encoding="utf-8")))
    assert job["pipelineSpec"] == compiled
    assert job["serviceAccount"] == ACCOUNT
    assert job["runtimeConfig"]["gcsOutputDirectory"] == f"{world.deployment.root}/artifacts"
    assert job["runtimeConfig"]["failurePolicy"] == 2  # fail fast; clients send numbers
    parameters = job["runtimeConfig"]["parameterValues"]
    assert parameters["source"] == f"{world.deployment.root}/data/flight_delay/span-{{SPAN}}/flights.parquet"
    assert (parameters["span"], parameters["registry"]) == (4, f"{world.deployment.root}/models")
    assert google_storage.storage.created_buckets == 0
    assert not [one for one in google_storage.loopback.requests if one.path == "/storage/v1/b"]
    assert int(job["labels"][DEADLINE]) >= 3600


@pytest.mark.known_failure(35)
def test_what_is_pinned_alike_is_one_job(world: Vertex, usecase: UseCase, vertex: FakeVertex, store: Store) -> None:
    request = RunRequest(usecase)
    first = world.submit(request)
    again = world.submit(request)
    assert (again.run_id, first.is_repeat, again.is_repeat) == (first.run_id, False, True)
    other = Vertex(WorldContext(Store(store.root.parent / "other"), world._context.environment))
    ImageRecord(other.store.images).add_pushed(REGISTRY, images.tag(), "data", DIGEST)
    for group in images.GROUPS:
        ImageRecord(other.store.images).add_pushed(REGISTRY, images.tag(), group, DIGEST)
    assert other.submit(request).run_id == first.run_id  # another machine
    assert world.submit(RunRequest(usecase, span=5)).run_id != first.run_id
    for state, after in (("SUCCEEDED", ""), ("FAILED", "-r2")):
        vertex.end(first.run_id, state)
        assert world.submit(request).run_id == f"{first.run_id}{after}"
    vertex.end(f"{first.run_id}-r2", "CANCELLED")
    assert world.submit(request).run_id == f"{first.run_id}-r3"
    fresh = {world.submit(RunRequest(usecase, cache=False)).run_id for _ in range(2)}
    assert len(fresh) == 2
    spec = vertex.jobs[fresh.pop()]["pipelineSpec"]
    tasks = [
        task
        for part in (spec["root"], *spec["components"].values())
        for task in part.get("dag", {}).get("tasks", {}).values()
    ]
    assert not [task for task in tasks if task.get("cachingOptions", {}).get("enableCache")]


@pytest.mark.nightly("four processes import Google's clients")
def test_twenty_deliveries_by_four_handlers_make_one_job(
    store: Store, settings: dict[str, Any], usecase: UseCase, vertex: FakeVertex, loopback: Loopback
) -> None:
    opened(store, settings).pin(RunRequest(usecase))  # compile once
    submitted: list[str] = []
    errors: list[BaseException] = []

    def handle(number: int) -> None:
        world = opened(store, settings)
        try:
            for delivery in range(5):
                submitted.append(world.submit(RunRequest(usecase, trigger=f"{number}-{delivery}")).run_id)
        except BaseException as error:
            errors.append(error)

    loopback.faults = [Fault(429), Fault(503, answered=True), Fault(cut=True, answered=True), None, Fault(500)]
    handlers = [threading.Thread(target=handle, args=(number,)) for number in range(4)]
    for handler in handlers:
        handler.start()
    for handler in handlers:
        handler.join(500)
    assert errors == []
    assert len(submitted) == 20
    assert set(submitted) == set(vertex.jobs)
    assert len(vertex.jobs) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault(429), Fault(500), Fault(503), Fault(cut=True), Fault(503, answered=True), Fault(cut=True, answered=True)],
    ids=str,
)
def test_a_fault_that_passes_makes_one_job(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, loopback: Loopback, fault: Fault
) -> None:
    loopback.faults = [fault, Fault(seconds=0.2)]
    run_id = world.submit(RunRequest(usecase)).run_id
    assert set(vertex.jobs) == {run_id}


@pytest.mark.parametrize(
    "refusal",
    [(Fault(403), "refused.*mlops doctor --at vertex"), (Fault(400), "answered 400"), (Fault(429), "no answer within")],
)
def test_nothing_is_kept_of_a_submission_that_was_refused(
    world: Vertex,
    usecase: UseCase,
    loopback: Loopback,
    refusal: tuple[Fault, str],
) -> None:
    loopback.every = lambda _: refusal[0]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(MlopsError, match=refusal[1]):
        patch.setattr(api, "PATIENCE_SECONDS", 0.1)
        world.submit(RunRequest(usecase))
    assert not list(world.store.runs.glob("*"))


def _decision(verdict: Verdict) -> str:
    return Decision.of(
        "evaluate_model", (Check(rule="better", verdict=verdict, next_step="mend it"),)
    ).model_dump_json()


def test_states_are_shown_while_a_job_runs_and_its_outputs_are_kept(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, settings: dict[str, Any]
) -> None:
    run_id = world.submit(RunRequest(usecase)).run_id
    objects.write(address := f"{settings['root']}/artifacts/decision", _decision(Verdict.PASS).encode())
    objects.write(pushed := f"{settings['root']}/artifacts/pushed", json.dumps(
        {"name": "flight_delay", "version": 1, "path": "gs://b/flight_delay/1", "digest": "sha256:" + "0" * 64}
    ).encode())  # fmt: skip
    vertex.on_look = [
        lambda job: vertex.task(job, "ingest-examples", "SKIPPED"),
        lambda job: vertex.task(job, "train-model", "RUNNING"),
        lambda job: vertex.task(job, "evaluate-model", "SUCCEEDED", outputs={"decision": address}),
        lambda job: vertex.task(job, "push-model", "SUCCEEDED", outputs={"pushed": pushed}),
        lambda job: vertex.end(job, "SUCCEEDED"),
    ]
    events: list[Event] = []
    outcome, report = follow_to_end(world, run_id, events.append, 300)
    assert (outcome.exit_code, outcome.state) == (0, "SUCCEEDED")
    assert outcome.pushed is not None
    assert [decision.gate for decision in outcome.decisions] == ["evaluate_model"]
    changed = [
        (event.task.name, str(event.task.state), event.task.cached)
        for event in events
        if isinstance(event, TaskChanged)
    ]
    assert ("train-model", "RUNNING", False) in changed
    assert ("ingest-examples", "SUCCEEDED", True) in changed
    assert report.is_file()
    assert outcome.run.parameters["span"] == 4


def test_a_closed_gate_is_a_decision_and_not_a_failure(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, settings: dict[str, Any]
) -> None:
    run_id = world.submit(RunRequest(usecase)).run_id
    objects.write(address := f"{settings['root']}/artifacts/decision", _decision(Verdict.FAIL).encode())
    vertex.task(run_id, "evaluate-model", "SUCCEEDED", outputs={"decision": address})
    vertex.task(run_id, "push-model", "NOT_TRIGGERED")
    vertex.end(run_id, "SUCCEEDED")
    outcome, _ = follow_to_end(world, run_id, lambda _: None, 300)
    assert (outcome.exit_code, outcome.headline) == (3, "Nothing was pushed: evaluate_model did not pass.")
    assert {task.name: task.state for task in outcome.tasks}["push-model"] == "SKIPPED"


def test_a_gate_that_stops_a_job_is_heard_where_it_wrote(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, settings: dict[str, Any]
) -> None:
    """Vertex AI records no output of a task that failed, but the file is in the bucket."""
    run_id = world.submit(RunRequest(usecase)).run_id
    job = f"{PARENT.replace('locations', 'x')}/customJobs/777"
    number = vertex.task(
        run_id, "evaluate-model", "FAILED",
        executorDetail={"containerDetail": {"mainJob": job}}, error={"code": 9, "message": "exit code 3"},
    )  # fmt: skip
    where = f"{settings['root']}/artifacts/{NUMBERED.split('/')[1]}/{run_id}/evaluate-model_{number}/decision"
    objects.write(where, _decision(Verdict.FAIL).encode())
    vertex.end(run_id, "FAILED", "a task failed")
    outcome, _ = follow_to_end(world, run_id, lambda _: None, 300)
    assert outcome.exit_code == 3
    assert outcome.closed is not None
    assert outcome.failed is not None
    assert outcome.failed.log is not None
    log = outcome.failed.log.read_text(encoding="utf-8")
    assert "exit code 3" in log
    assert 'resource.labels.job_id="777"' in unquote(log)
    assert "project=my-project" in log


def test_a_failed_task_and_a_cancelled_job_are_no_success(world: Vertex, usecase: UseCase, vertex: FakeVertex) -> None:
    run_id = world.submit(RunRequest(usecase)).run_id
    status = [{"state": "RUNNING", "error": {"code": 8, "message": "no quota for NVIDIA_TESLA_T4"}}]
    vertex.task(run_id, "train-model", "FAILED", pipelineTaskStatus=status)
    vertex.end(run_id, "FAILED")
    outcome, _ = follow_to_end(world, run_id, lambda _: None, 300)
    assert outcome.exit_code == 1
    assert outcome.failed is not None
    assert "no quota for NVIDIA_TESLA_T4" in outcome.failed.error
    again = world.submit(RunRequest(usecase)).run_id
    world.cancel(again)
    outcome, _ = follow_to_end(world, again, lambda _: None, 300)
    assert (outcome.exit_code, outcome.state) == (1, "CANCELLED")
    with pytest.raises(MlopsError, match="nothing to cancel"):
        world.cancel(again)
    with pytest.raises(UnsupportedByWorld, match="mlops submit flight_delay --at vertex"):
        world.resume(again)


def make_late(vertex: FakeVertex, run_id: str) -> None:
    began = datetime.now(UTC) - timedelta(seconds=int(vertex.jobs[run_id]["labels"][DEADLINE]) + 60)
    vertex.jobs[run_id]["createTime"] = began.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_job_that_outlives_its_limit_is_cancelled(world: Vertex, usecase: UseCase, vertex: FakeVertex) -> None:
    """Time limits of steps are in document 2, which Vertex AI does not take."""
    run_id = world.submit(RunRequest(usecase)).run_id
    make_late(vertex, run_id)
    events: list[Event] = []
    run = world.follow(run_id, events.append, 300)
    assert run.state == "CANCELLED"
    assert [event for event in events if isinstance(event, Noted) and "longer than its steps may" in event.text]


def test_a_handler_that_looks_at_a_late_job_cancels_it(world: Vertex, usecase: UseCase, vertex: FakeVertex) -> None:
    run_id = world.submit(RunRequest(usecase, trigger="decision-1")).run_id
    launcher = WorldLauncher(world, {}, lambda _: None)
    assert launcher.ended(run_id) is None
    assert vertex.jobs[run_id]["state"] == "PIPELINE_STATE_RUNNING"
    make_late(vertex, run_id)
    assert launcher.ended(run_id) is None
    assert vertex.jobs[run_id]["state"] == "PIPELINE_STATE_CANCELLED"
    ended = launcher.ended(run_id)
    assert ended is not None
    assert ended.state == "failed"


@pytest.mark.parametrize("after_cancel", ["CANCELLED", "CANCELLING"])
def test_a_submission_is_not_caught_by_a_job_that_is_late(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, after_cancel: str
) -> None:
    first = world.submit(RunRequest(usecase)).run_id
    make_late(vertex, first)
    vertex.on_look = [lambda _: None, lambda name: vertex.end(name, after_cancel)]
    second = world.submit(RunRequest(usecase))
    assert (second.run_id, second.is_repeat) == (f"{first}-r2", False)
    assert [path for method, path in vertex.calls if path.endswith(":cancel")] == [
        f"/v1/{PARENT}/pipelineJobs/{first}:cancel"
    ]
    assert world.submit(RunRequest(usecase)).run_id == f"{first}-r2"


def test_a_late_job_that_ends_before_it_is_cancelled_counts(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, loopback: Loopback
) -> None:
    first = world.submit(RunRequest(usecase)).run_id
    make_late(vertex, first)
    vertex.on_look = [lambda _: None, lambda name: vertex.end(name, "SUCCEEDED")]
    loopback.every = lambda request: Fault(400) if request.path.endswith(":cancel") else None
    again = world.submit(RunRequest(usecase))
    assert (again.run_id, again.is_repeat) == (first, True)


def test_the_same_decision_gets_its_late_job_cancelled_and_no_other(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, tmp_path: Path
) -> None:
    first = world.submit(RunRequest(usecase, trigger="decision-1")).run_id
    make_late(vertex, first)
    other = Vertex(WorldContext(Store(tmp_path / "second"), world._context.environment))
    assert other.started_by("decision-1") == first
    assert vertex.jobs[first]["state"] == "PIPELINE_STATE_CANCELLED"
    assert list(vertex.jobs) == [first]


def test_a_deadline_says_how_to_go_on(world: Vertex, usecase: UseCase, vertex: FakeVertex) -> None:
    run_id = world.submit(RunRequest(usecase)).run_id
    vertex.task(run_id, "train-model", "RUNNING")
    with pytest.raises(MlopsError, match=rf"(?s)train-model running.*mlops runs follow {run_id}"):
        world.follow(run_id, lambda _: None, 0.06)


def test_resources_and_network_are_settings_of_the_deployment(
    store: Store, settings: dict[str, Any], usecase: UseCase, vertex: FakeVertex
) -> None:
    steps = {"train_model": {"cpu": 8, "memory_gb": 30, "accelerator": "NVIDIA_TESLA_T4", "accelerators": 2}}
    network = "projects/123/global/networks/default"
    run_id = opened(store, settings, steps=steps, network=network).submit(RunRequest(usecase)).run_id
    executors = vertex.jobs[run_id]["pipelineSpec"]["deploymentSpec"]["executors"]
    resources = executors["exec-train-model"]["container"]["resources"]
    assert (resources["cpuLimit"], resources["accelerator"]["type"]) == (8, "NVIDIA_TESLA_T4")
    assert vertex.jobs[run_id]["network"] == network
    assert "accelerator" not in executors["exec-push-model"]["container"].get("resources", {})


def test_images_without_a_digest_are_refused(
    store: Store, settings: dict[str, Any], usecase: UseCase, vertex: FakeVertex
) -> None:
    references = {images.image(group): f"{REGISTRY}/{group}:latest" for group in images.GROUPS}
    environment = {"MLOPS_DEPLOYMENT": json.dumps(settings), "MLOPS_IMAGE_REFERENCES": json.dumps(references)}
    with pytest.raises(UsageError, match="wanted images as registry/name@sha256"):
        Vertex(WorldContext(store, environment)).submit(RunRequest(usecase))
    with pytest.raises(MlopsError, match=f"mlops images push {REGISTRY}"):
        Vertex(WorldContext(Store(store.root / "empty"), {"MLOPS_DEPLOYMENT": json.dumps(settings)})).submit(
            RunRequest(usecase)
        )
    assert vertex.jobs == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": None}, "root is missing: Terraform's output mlops.root"),
        ({"service_account": ""}, "service_account is missing: Terraform's output mlops.service_account"),
        ({"root": "s3://bucket/x"}, "wanted an address such as gs://bucket/folder"),
        ({"zone": "a"}, "zone is no setting of a deployment"),
        ({"network": "projects/1/global/networks/n", "network_attachment": "a"}, "got both"),
        ({"steps": {"train_model": {"accelerator": "nvidia.com/gpu"}}}, "steps.train_model.accelerator"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(
    settings: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Deployment.of({"MLOPS_DEPLOYMENT": json.dumps({**settings, **changes})})
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="mlops cloud up"):
        Deployment.of({})
    with pytest.raises(UsageError, match=r"nowhere.json: No such file"):
        Deployment.of({"MLOPS_DEPLOYMENT": "nowhere.json"})


@given(st.text(max_size=200))
def test_every_label_has_googles_letters(text: str) -> None:
    value = label_value(text)
    assert len(value) <= 63
    assert all(letter in "abcdefghijklmnopqrstuvwxyz0123456789_-" for letter in value)


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True),
    pipeline=st.from_regex(r"[a-z_0-9]{1,150}", fullmatch=True),
)
def test_every_id_is_one_that_the_service_takes(name: str, pipeline: str) -> None:
    import re
    from types import SimpleNamespace

    shown = display_name(SimpleNamespace(usecase=SimpleNamespace(name=name), pipeline=pipeline))  # type: ignore[arg-type]
    assert re.fullmatch(r"[a-z][-a-z0-9]{0,127}", f"{shown}-{'0' * 20}-r100")


def test_a_run_is_submitted_as_it_was_pinned_by_whichever_machine_goes_on_with_its_decision(
    world: Vertex, usecase: UseCase, vertex: FakeVertex, loopback: Loopback, tmp_path: Path
) -> None:
    """The first machine dies before, or after, the service has the job; newer data is there when the second goes on."""
    request = RunRequest(usecase, span="newest", trigger="decision-1")
    loopback.faults = [Fault(403)]
    with pytest.raises(MlopsError):
        world.submit(request)
    assert vertex.jobs == {}
    objects.write(f"{world.deployment.root}/data/flight_delay/span-6/flights.parquet", b"span 6")
    environment = world._context.environment

    def started_by(machine: str, decision: str) -> str:
        return Vertex(WorldContext(Store(tmp_path / machine), environment)).started_by(decision)

    runs = [started_by(machine, "decision-1") for machine in ("second", "third")]
    assert list(vertex.jobs) == [runs[0]]
    assert runs[0] == runs[1]
    assert vertex.jobs[runs[0]]["runtimeConfig"]["parameterValues"]["span"] == 5
    vertex.end(runs[0], "FAILED")
    assert started_by("fourth", "decision-1") == runs[0]
    assert started_by("fourth", "decision-2") == started_by("fourth", "") == ""


def test_schedules_are_left_to_the_one_road_of_facts(world: Vertex) -> None:
    with pytest.raises(UnsupportedByWorld, match="Cloud Scheduler keeps the slots") as raised:
        _ = world.schedules
    assert "make cloud-up" in str(raised.value)


def test_the_doctor_takes_a_grant_on_the_folder_of_models(settings: dict[str, Any], vertex: FakeVertex) -> None:
    vertex.is_granted_by_folder = True
    found = {one.name: one for one in checks.examine({"MLOPS_DEPLOYMENT": json.dumps(settings)})}
    assert found["bucket"].ok
    [asked] = [path for _, path in vertex.calls if "/managedFolders/" in path]
    assert re.search(r"models(%2F|/)/iam", asked)


def test_the_doctor_names_the_output_to_correct(settings: dict[str, Any], vertex: FakeVertex) -> None:
    environment = {"MLOPS_DEPLOYMENT": json.dumps(settings)}
    assert [finding for finding in checks.examine(environment) if not finding.ok] == []
    vertex.permissions, vertex.services, vertex.repositories = set(), {"storage"}, set()
    found = {finding.name: finding for finding in checks.examine(environment)}
    assert {name for name, finding in found.items() if not finding.ok} == found.keys() - {"deployment"}
    assert "gcloud services enable aiplatform.googleapis.com" in found["APIs"].fix
    assert "aiplatform.pipelineJobs.create" in found["pipeline jobs"].found
    assert "output mlops.service_account" in found["service account"].fix
    assert "output mlops.root" in found["bucket"].fix
    assert "output mlops.registry" in found["registry"].fix
    [missing] = checks.examine({"MLOPS_DEPLOYMENT": json.dumps({**settings, "registry": ""})})
    assert "Terraform's output mlops.registry" in missing.found
    [elsewhere] = [
        one
        for one in checks.examine({"MLOPS_DEPLOYMENT": json.dumps({**settings, "root": "gs://none/x"})})
        if one.name == "bucket"
    ]
    assert "bucket does not exist" in elsewhere.found
