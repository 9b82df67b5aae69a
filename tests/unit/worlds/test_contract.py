"""Every world keeps the same promises, whichever it is."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fake_kfp import LATER, FakeKfp, FakeMetadata
from fake_vertex import FakeVertex

from core import images, objects
from core.errors import MlopsError, UsageError
from core.image_record import ImageRecord
from core.store import Store
from mlops.runs.events import Event, RunEnded, RunStarted, TaskChanged
from mlops.runs.history import read_run, read_submission
from mlops.runs.record import State
from mlops.worlds import kfp_watch, laptop
from mlops.worlds.finished import finish
from mlops.worlds.kfp import Kubeflow
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.table import WORLDS, open_world
from mlops.worlds.vertex import watch
from mlops.worlds.world import RunRequest, UnsupportedByWorld, World, WorldContext
from pipelines import compiled
from pipelines.compiled import PipelineSpec
from pipelines.config import UseCase, find, load
from pipelines.kinds import Kind
from tests.loopback import Loopback

TOYS = ("toy", "slow", "broken", "greedy")


@dataclass
class Ground:
    """A world, and how a run comes to its end there: by itself, or as a test says."""

    world: World
    end: Callable[[str, str], None]
    events: list[Event] = field(default_factory=list)

    @property
    def pins_decide(self) -> bool:
        """Whether two submissions that are pinned alike are one run."""
        return self.world.name == "vertex"

    def run(self, request: RunRequest) -> str:
        run_id = self.world.submit(request).run_id
        self.end(run_id, "FAILED" if request.pipeline == "broken" else "SUCCEEDED")
        return run_id


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = {name: PipelineSpec(Kind.LABELING, f"toy:{name}", "for tests") for name in TOYS}
    monkeypatch.setattr(compiled, "PIPELINES", specs)
    monkeypatch.setattr(kfp_watch, "_PAUSE", 0.01)
    monkeypatch.setattr(watch, "PAUSE", 0.01)
    monkeypatch.setattr(laptop.Laptop, "_warm_up", lambda _: None)


@pytest.fixture(params=sorted(WORLDS))
def name(request: pytest.FixtureRequest) -> str:
    """Name of the world."""
    return str(request.param)


@pytest.fixture
def place(name: str, request: pytest.FixtureRequest) -> str:
    """Address with the world's data and models."""
    if name == "vertex":
        return str(request.getfixturevalue("google_storage").address)
    return str(request.getfixturevalue("bucket"))


@pytest.fixture
def usecase(place: str) -> UseCase:
    for span in range(1, 6):
        objects.write(f"{place}/ml-in-production/data/flight_delay/span-{span}/flights.parquet", b"span")
    return load(find("flight_delay"))


@pytest.fixture
def ground(name: str, place: str, request: pytest.FixtureRequest) -> Iterator[Ground]:
    if name == "kfp":
        names = ("store", "connection", "kfp", "metadata")
        yield from _on_kfp(*map(request.getfixturevalue, names))
        return
    store = request.getfixturevalue("store")
    if name == "vertex":
        yield from _on_vertex(store, place)
        return
    with open_world(f"{place}/ml-in-production", WorldContext(store)) as world:
        yield Ground(world, lambda *_: None)


def _on_vertex(store: Store, place: str) -> Iterator[Ground]:
    vertex, registry = FakeVertex(), "europe-west1-docker.pkg.dev/central/images"
    for group in images.GROUPS:
        ImageRecord(store.images).add_pushed(registry, images.tag(), group, "sha256:" + "1" * 64)

    def end(job: str, state: str) -> None:
        vertex.task(job, "check", state)
        if state == "SUCCEEDED":
            loop = vertex.task(job, "for-loop-2", "SUCCEEDED")
            for _ in range(2):
                vertex.task(
                    job, "check-2", "SUCCEEDED", parent=vertex.task(job, "for-loop-2", "SUCCEEDED", parent=loop)
                )
        vertex.end(job, state)

    with Loopback(vertex.answer).served() as api:
        settings = {
            "project": "my-project",
            "region": "europe-west1",
            "root": f"{place}/ml-in-production",
            "service_account": "pipelines@my-project.iam.gserviceaccount.com",
            "registry": registry,
            "api": api,
        }
        with open_world("vertex", WorldContext(store, {"MLOPS_DEPLOYMENT": json.dumps(settings)})) as world:
            yield Ground(world, end)


def _on_kfp(store: Store, connection: Connection, kfp: FakeKfp, metadata: FakeMetadata) -> Iterator[Ground]:
    def end(run_id: str, state: str) -> None:
        task_state = {"SUCCEEDED": "COMPLETE"}.get(state, state)
        root = metadata.record(run_id, "", "RUNNING", dag=True)
        metadata.record(run_id, "check", task_state, parent=root)
        if state == "SUCCEEDED":
            loop = metadata.record(run_id, "for-loop-2", "COMPLETE", dag=True, parent=root, count=2)
            for index in range(2):
                body = metadata.record(run_id, "for-loop-2", "COMPLETE", dag=True, parent=loop, index=index)
                metadata.record(run_id, "check-2", "COMPLETE", parent=body)
        kfp.runs[run_id].update(state=state, finished_at=LATER)

    with Kubeflow(WorldContext(store), connection) as world:
        yield Ground(world, end)


def test_a_run_is_submitted_followed_and_kept(ground: Ground, usecase: UseCase) -> None:
    run_id = ground.run(RunRequest(usecase, "toy"))
    run = ground.world.follow(run_id, ground.events.append)
    assert (run.run_id, run.state) == (run_id, State.SUCCEEDED)
    assert run.parameters["span"] == 4
    assert run.submission == read_submission(ground.world.store, run_id)
    assert (run.submission.kind, run.submission.world) == (Kind.LABELING, ground.world.name)
    assert isinstance(ground.events[0], RunStarted)
    assert isinstance(ground.events[-1], RunEnded)
    outcome, report = finish(run, ground.world.store)
    assert report.is_file()
    assert "pushed" not in outcome.headline
    assert read_run(ground.world.store, run_id) == run


def test_the_iterations_of_a_loop_are_tasks_of_their_own(ground: Ground, usecase: UseCase) -> None:
    run = ground.world.follow(ground.run(RunRequest(usecase, "toy")), ground.events.append)
    iterations = {"for-loop-2[0]/check-2", "for-loop-2[1]/check-2"}
    states = {task.path: task.state for task in run.tasks}
    assert {path: states.get(path) for path in iterations} == dict.fromkeys(iterations, State.SUCCEEDED)
    changed = {event.task.path for event in ground.events if isinstance(event, TaskChanged)}
    assert iterations <= changed


def test_the_result_of_a_run_is_the_same_again_and_from_a_follower_that_came_late(
    ground: Ground, usecase: UseCase
) -> None:
    run_id = ground.run(RunRequest(usecase, "toy"))
    assert (ground.world.submit(RunRequest(usecase, "toy")).run_id == run_id) is ground.pins_decide
    run = ground.world.follow(run_id, ground.events.append)
    assert ground.world.follow(run_id, ground.events.append) == run == ground.world.result(run_id)


def test_what_a_decision_asks_for_is_submitted_once(ground: Ground, usecase: UseCase) -> None:
    request = RunRequest(usecase, "toy", trigger="d" * 32)
    run_id = ground.world.submit(request).run_id
    assert ground.world.submit(request).run_id == run_id
    another = ground.world.submit(RunRequest(usecase, "toy", trigger="e" * 32)).run_id
    assert (another == run_id) is ground.pins_decide
    # The process died after the deployment had accepted the run, and before it was kept here.
    if ground.world.name != "laptop":
        shutil.rmtree(ground.world.store.runs / run_id)
        assert ground.world.submit(request).run_id == run_id


def test_a_run_can_be_pinned_without_being_submitted(ground: Ground, usecase: UseCase) -> None:
    request = RunRequest(usecase, "toy")
    pinned = ground.world.pin(request)
    assert not list(ground.world.store.runs.glob("*"))
    run = ground.world.result(ground.world.submit(request).run_id)
    assert {name: run.parameters[name] for name in pinned.parameters} == pinned.parameters


def test_a_task_that_fails_is_in_the_record_with_its_log(ground: Ground, usecase: UseCase) -> None:
    run = ground.world.follow(ground.run(RunRequest(usecase, "broken")), ground.events.append)
    assert run.state is State.FAILED
    [failed] = [task for task in run.tasks if task.state is State.FAILED]
    assert failed.error
    assert failed.log is not None
    assert failed.log.is_file()


def test_a_parameter_that_no_submission_knows_is_refused_by_name(ground: Ground, usecase: UseCase) -> None:
    with pytest.raises(UsageError, match="pipeline greedy declares horizon"):
        ground.world.submit(RunRequest(usecase, "greedy"))


def test_a_run_is_cancelled_while_it_is_followed(ground: Ground, usecase: UseCase) -> None:
    run_id = ground.world.submit(RunRequest(usecase, "slow")).run_id

    def cancel(event: Event) -> None:
        if isinstance(event, RunStarted):
            threading.Thread(target=_cancel_when_running, args=(ground.world, run_id), daemon=True).start()

    run = ground.world.follow(run_id, cancel)
    assert run.state is State.CANCELLED
    with pytest.raises(MlopsError, match="nothing to cancel"):
        ground.world.cancel(run_id)


def _cancel_when_running(world: World, run_id: str) -> None:
    for _ in range(600):  # a world may know of the run a moment later
        try:
            world.cancel(run_id)
        except MlopsError:
            time.sleep(0.1)
        else:
            return


def test_resuming_goes_on_or_names_the_way_around(ground: Ground, usecase: UseCase) -> None:
    run_id = ground.run(RunRequest(usecase, "broken"))
    assert ground.world.follow(run_id, ground.events.append).state is State.FAILED
    try:
        ground.world.resume(run_id)
    except UnsupportedByWorld as error:
        assert "mlops submit flight_delay --at" in str(error)
        return
    assert ground.world.result(run_id).state is State.INTERRUPTED
    again = ground.world.follow(run_id, ground.events.append)
    assert (again.state, again.tasks[0].attempts) == (State.FAILED, 2)


def test_schedules_are_kept_or_the_way_around_is_named(ground: Ground, usecase: UseCase) -> None:
    try:
        schedules = ground.world.schedules
    except UnsupportedByWorld as error:
        assert {"laptop": "--at kfp", "vertex": "make cloud-up"}[ground.world.name] in str(error)
        return
    assert schedules.of("flight_delay") == []


def test_a_run_of_another_world_or_store_is_refused(ground: Ground, usecase: UseCase, store: Store) -> None:
    for ask in (ground.world.result, ground.world.cancel, ground.world.resume):
        with pytest.raises(MlopsError, match="no run 'nobody'"):
            ask("nobody")
    run_id = ground.world.submit(RunRequest(usecase, "toy")).run_id
    other = next(name for name in WORLDS if name != ground.world.name)
    path = store.runs / run_id / "submission.json"
    path.write_text(path.read_text().replace(f'"world": "{ground.world.name}"', f'"world": "{other}"'))
    with pytest.raises(UsageError, match=f"runs at {other}, not at {ground.world.name}"):
        ground.world.result(run_id)


def test_data_and_models_are_where_the_world_has_them(ground: Ground, place: str) -> None:
    assert ground.world.store.registry == f"{place}/ml-in-production/models"


def test_a_name_that_is_no_world_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'laptop'"):
        open_world("labtop", WorldContext(Store(tmp_path)))
    with pytest.raises(UsageError, match="wanted an address"):
        open_world("az://bucket", WorldContext(Store(tmp_path)))
