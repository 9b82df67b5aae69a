"""The endpoint follows the registry: steps with checks between, and whoever is cut short or overtaken loses nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fake_serving import ENDPOINT
from served_project import NAME, NOTE, Project, later, plan

from core.backends import rollout
from core.backends.canary import Note
from core.backends.pointer import Pointer
from core.backends.registry import Registry
from core.errors import GateClosed, MlopsError, RegistryError, UsageError
from mlops.actions.endpoint import verbs
from mlops.actions.endpoint.status import differences, status
from mlops.worlds.vertex import checks
from mlops.worlds.vertex.operations import OperationFailed
from tests.loopback import Fault, Request


def version(project: Project, number: int) -> Pointer:
    found = project.registry.get(NAME, number)
    return Pointer(found.version, found.digest)


def deployed(project: Project) -> dict[str, int]:
    """Return the shares of all deployed models by version."""
    serving = project.serving
    return {serving.version_of(one): serving.traffic.get(one, 0) for one in serving.deployed}


def canary(project: Project, number: int | None = 2, *steps: float, **waiting: Any) -> str:
    """Run a canary to its end; metrics are there from its first step on."""
    to = version(project, number) if number else None
    return verbs.canary(project.target, to, plan(*steps), NOTE, later(**waiting))


@pytest.fixture
def at_work(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Version 1 is deployed and has the traffic; Cloud Monitoring grows at each look at it."""
    verbs.deploy(project.target)
    growing(project, monkeypatch)
    return project


def growing(project: Project, monkeypatch: pytest.MonkeyPatch, **of_canary: int) -> None:
    """Let more answers be counted at each look: a comparison looks when the samples have grown."""
    series = project.serving._series
    looks = [0]

    def grown(query: dict[str, str]) -> Any:
        looks[0] += 1
        times = 1.3 ** looks[0]
        project.count(**of_canary)
        for codes in project.serving.answered.values():
            codes.update({code: int(count * times) for code, count in codes.items()})
        return series(query)

    monkeypatch.setattr(project.serving, "_series", grown)


def test_the_first_deployment_has_all_of_the_traffic_and_a_second_changes_nothing(project: Project) -> None:
    model = verbs.deploy(project.target)
    assert project.serving.shares == {"1": 100}
    made = project.serving.deployed[model.id]
    assert made["serviceAccount"] == "serving@my-project.iam.gserviceaccount.com"
    assert made["dedicatedResources"]["machineSpec"]["machineType"] == "e2-standard-2"
    assert project.serving.alias(NAME, "champion") == "1"
    before = list(project.serving.writes)
    assert verbs.deploy(project.target).id == model.id
    assert project.serving.writes == before
    assert status(project.target)["differences"] == []


def test_other_machines_are_another_deployment_that_takes_over(project: Project) -> None:
    verbs.deploy(project.target)
    project.settings["serving"] |= {"machine": "n1-standard-4", "accelerator": "NVIDIA_TESLA_T4", "min_replicas": 2}
    verbs.deploy(project.target)
    assert sorted(project.serving.traffic.values()) == [100]
    assert len(project.serving.deployed) == 2
    assert len(verbs.finish(project.target, NOTE)) == 1
    [left] = project.serving.deployed.values()
    assert left["dedicatedResources"]["machineSpec"]["machineType"] == "n1-standard-4"


def test_a_version_that_is_not_in_production_gets_no_traffic(project: Project) -> None:
    verbs.deploy(project.target)
    verbs.deploy(project.target, version(project, 2))
    assert deployed(project) == {"1": 100, "2": 0}


def test_a_canary_goes_its_steps_and_the_old_version_stays_until_finish(at_work: Project) -> None:
    assert canary(at_work) == "promoted"
    serving = at_work.serving
    by_version = [{serving.version_of(one): percent for one, percent in split.items()} for split in serving.splits]
    assert by_version == [{"1": 100}, {"1": 95, "2": 5}, {"1": 75, "2": 25}, {"2": 100}]
    assert deployed(at_work) == {"1": 0, "2": 100}
    assert at_work.registry.state(NAME).reference == str(version(at_work, 2))
    assert serving.alias(NAME, "champion") == "2"
    assert [event["action"] for event in at_work.registry.state(NAME).rollouts] == ["start", "step", "promote"]
    assert at_work.registry.state(NAME).rollouts[1]["decision"]["gate"] == "endpoint_canary"
    assert canary(at_work) == "promoted"  # once more changes nothing
    assert len(verbs.finish(at_work.target, NOTE)) == 1
    assert deployed(at_work) == {"2": 100}
    before = list(serving.writes)
    assert verbs.finish(at_work.target, NOTE) == []
    assert serving.writes == before


def test_finish_promotes_a_canary_whose_plan_ends_below_100(at_work: Project) -> None:
    assert canary(at_work, 2, 50) == "passed"
    assert canary(at_work, None) == "passed"
    assert deployed(at_work) == {"1": 50, "2": 50}
    assert len(verbs.finish(at_work.target, NOTE)) == 1
    assert deployed(at_work) == {"2": 100}
    assert at_work.serving.alias(NAME, "champion") == "2"


def _errors(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    growing(project, monkeypatch, **{"200": 900, "500": 100})


def _slow(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = project.serving._place

    def slow(made: dict[str, Any]) -> None:
        place(made)
        project.serving.milliseconds[made["id"]] = 300.0

    monkeypatch.setattr(project.serving, "_place", slow)
    growing(project, monkeypatch)


def _wrong(project: Project, _: pytest.MonkeyPatch) -> None:
    project.serving.predict = lambda deployed, asked: (
        (200, {"predictions": [[0.5]]}) if deployed["displayName"].startswith("v1") else (200, {"predictions": [None]})
    )


def _refusing(project: Project, _: pytest.MonkeyPatch) -> None:
    project.serving.predict = lambda deployed, asked: (
        (200, {"predictions": [[0.5]]}) if deployed["displayName"].startswith("v1") else (500, "no such column")
    )


def _unhealthy(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    place = project.serving._place
    monkeypatch.setattr(
        project.serving, "_place", lambda made: place(made | {"status": made["status"] | {"availableReplicaCount": 0}})
    )


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (_errors, "share of failed requests"),
        (_slow, "time of 90%"),
        (_wrong, "wanted one prediction of finite numbers"),
        (_refusing, "no such column"),
        (_unhealthy, "0 of 1 replicas"),
    ],
)
def test_a_canary_that_fails_is_rolled_back_and_removed(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Project, pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    verbs.deploy(project.target)
    plant(project, monkeypatch)
    with pytest.raises(GateClosed, match=reason):
        canary(project)
    assert deployed(project) == {"1": 100}
    state = project.registry.state(NAME)
    assert (state.champion, state.canary) == (version(project, 1), None)
    assert state.rollouts[-1]["action"] == "abort"
    assert project.serving.alias(NAME, "champion") == "1"
    assert max(split.get(one, 0) for split in project.serving.splits for one in split if split.get(one) != 100) >= 5


def test_a_first_deployment_that_does_not_answer_gets_no_traffic(project: Project) -> None:
    project.serving.predict = lambda deployed, asked: (503, "loading")
    with pytest.raises(GateClosed, match="loading"):
        verbs.deploy(project.target)
    assert project.serving.traffic == {}


def test_a_deployment_that_never_gets_ready_changes_nothing_else(at_work: Project) -> None:
    at_work.serving.fails.add("v2")
    with pytest.raises(OperationFailed, match="never became ready"):
        canary(at_work)
    assert deployed(at_work) == {"1": 100}
    assert at_work.registry.state(NAME).canary is None


def test_a_step_without_enough_requests_stays_undecided(project: Project) -> None:
    verbs.deploy(project.target)
    with pytest.raises(GateClosed, match=r"(?s)5 % is undecided.*mlops endpoint canary.*--override.*rollback"):
        canary(project, step_seconds=0.1)
    assert deployed(project) == {"1": 95, "2": 5}
    assert canary(project, None, step_seconds=0.1, override="there are few requests at night") == "promoted"
    assert deployed(project) == {"1": 0, "2": 100}


def test_a_version_without_rows_of_its_own_is_undecided(at_work: Project) -> None:
    at_work.publish("three", rows=0)
    with pytest.raises(GateClosed, match="undecided"):
        canary(at_work, 3, step_seconds=0.1)


def test_a_rollback_is_traffic_then_pointer_then_alias(at_work: Project) -> None:
    canary(at_work)
    at_work.loopback.requests.clear()
    at_work.serving.writes.clear()
    assert verbs.rollback(at_work.target, Note("me", "it sells nothing")).version == 1
    assert deployed(at_work) == {"1": 100, "2": 0}
    assert at_work.serving.writes == ["split", "aliases champion default"]
    assert at_work.registry.state(NAME).reference == str(version(at_work, 1))
    assert verbs.rollback(at_work.target, NOTE, version=2).version == 1  # once more: it was done
    with pytest.raises(RegistryError, match="no earlier version"):
        verbs.rollback(at_work.target, NOTE)


def test_a_rollback_after_finish_deploys_the_old_version_first(at_work: Project) -> None:
    canary(at_work)
    verbs.finish(at_work.target, NOTE)
    assert verbs.rollback(at_work.target, NOTE).version == 1
    assert deployed(at_work) == {"1": 100, "2": 0}
    assert verbs.finish(at_work.target, NOTE)
    assert deployed(at_work) == {"1": 100}


def test_a_rollback_ends_a_canary(project: Project) -> None:
    verbs.deploy(project.target)
    with pytest.raises(GateClosed):
        canary(project, step_seconds=0.1)
    assert verbs.rollback(project.target, NOTE, version=2).version == 1
    assert deployed(project) == {"1": 100}
    assert project.registry.state(NAME).rollouts[-1]["action"] == "stop"


def test_somebody_elses_traffic_is_not_overwritten_unnoticed(at_work: Project) -> None:
    target = at_work.target
    verbs.deploy(target, version(at_work, 2))
    ids = {at_work.serving.version_of(one): one for one in at_work.serving.deployed}
    at_work.serving.set({ids["1"]: 60, ids["2"]: 40})
    assert differences(target) == [
        "version 1 should have 100 % of the traffic, and has 60 %",
        f"v2@{version(at_work, 2).digest[7:24]} has 40 % of the traffic, and should have none",
    ]
    with pytest.raises(MlopsError, match="with all of the traffic, got 60 %"):
        canary(at_work)
    with pytest.raises(MlopsError, match="nothing was removed"):
        verbs.finish(target, NOTE)
    assert deployed(at_work) == {"1": 60, "2": 40}
    verbs.deploy(target)
    assert deployed(at_work) == {"1": 100, "2": 0}


def test_a_change_between_reading_and_writing_is_seen(at_work: Project) -> None:
    """The etag is the one that was read: a change to another traffic stops the canary, any other is looked at again."""
    serving = at_work.serving
    verbs.deploy(at_work.target, version(at_work, 2))
    ids = {serving.version_of(one): one for one in serving.deployed}
    patched: list[int] = []

    def meanwhile(request: Request) -> Fault | None:
        if request.method == "PATCH":
            patched.append(1)
            if len(patched) == 1:
                serving.touched()  # a label
            if len(patched) == 3:
                serving.set({ids["1"]: 10, ids["2"]: 90})
        return None

    at_work.loopback.every = meanwhile
    with pytest.raises(MlopsError, match=r"somebody else changed the traffic to .*90.*mlops endpoint status"):
        canary(at_work)
    assert deployed(at_work) == {"1": 10, "2": 90}
    assert len(patched) == 3


def test_a_pointer_that_moves_during_a_rollback_is_not_moved_again(
    at_work: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary(at_work)
    at_work.publish("three")
    move = type(at_work.target).move

    def moved(*arguments: Any) -> None:
        move(*arguments)
        at_work.registry.promote(NAME, 3)

    monkeypatch.setattr(type(at_work.target), "move", moved)
    with pytest.raises(RegistryError, match="meanwhile"):
        verbs.rollback(at_work.target, NOTE)
    assert at_work.registry.state(NAME).reference.startswith("3@")


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (":deployModel", Fault(429)),
        (":deployModel", Fault(503, answered=True)),
        ("PATCH", Fault(412)),
        ("PATCH", Fault(500, answered=True)),
        ("PATCH", Fault(cut=True, answered=True)),
        (":undeployModel", Fault(cut=True)),
        (":undeployModel", Fault(503, answered=True)),
    ],
    ids=str,
)
def test_a_fault_that_passes_is_repeated_and_nothing_happens_twice(at_work: Project, call: str, fault: Fault) -> None:
    faults = [fault]
    at_work.serving.slow = 2

    def every(request: Request) -> Fault | None:
        is_call = request.method == call or request.path.endswith(call)
        return faults.pop() if faults and is_call else None

    at_work.loopback.every = every
    canary(at_work, 2, 50, 100)
    verbs.finish(at_work.target, NOTE)
    assert faults == []
    assert deployed(at_work) == {"2": 100}
    assert at_work.serving.writes.count("deploy v2@") == 1


def test_a_command_that_is_killed_at_any_call_is_finished_by_the_next(
    at_work: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call to Google in turn is the last of the process; some were done all the same."""
    at = 0
    while True:
        calls = [0]

        def every(_: Request, last: int = at, calls: list[int] = calls) -> Fault | None:
            calls[0] += 1
            return Fault(403, answered=bool(last % 2)) if calls[0] > last else None

        at_work.loopback.every = every
        try:
            canary(at_work, 2, 50, 100)
            verbs.finish(at_work.target, NOTE)
            was_cut = False
        except MlopsError:
            was_cut = True
        at_work.loopback.every = lambda _: None
        assert canary(at_work, 2, 50, 100) == "promoted"
        verbs.finish(at_work.target, NOTE)
        assert deployed(at_work) == {"2": 100}
        assert at_work.serving.alias(NAME, "champion") == "2"
        if not was_cut:
            break
        verbs.rollback(at_work.target, NOTE, version=2)
        verbs.finish(at_work.target, NOTE)
        assert deployed(at_work) == {"1": 100}
        at += 11
    assert at > 20


def test_a_deployment_that_runs_already_is_waited_for(at_work: Project) -> None:
    """A command that was killed while the service deploys is run again: there is one deployment."""
    at_work.mirror.sync(NAME)
    at_work.serving.slow = 20

    def every(request: Request) -> Fault | None:
        return Fault(403) if "/operations/" in request.path else None

    at_work.loopback.every = every
    with pytest.raises(MlopsError):
        verbs.deploy(at_work.target, version(at_work, 2))
    assert deployed(at_work) == {"1": 100}
    at_work.loopback.every = lambda _: None
    verbs.deploy(at_work.target, version(at_work, 2))
    assert deployed(at_work) == {"1": 100, "2": 0}
    assert at_work.serving.writes.count("deploy v2@") == 1
    assert any("which runs already" in line for line in at_work.lines)


def test_what_others_deployed_stays(at_work: Project) -> None:
    other = {**next(iter(at_work.serving.deployed.values())), "id": "77", "displayName": "by hand"}
    at_work.serving.deployed["77"] = other
    canary(at_work)
    verbs.finish(at_work.target, NOTE)
    assert "77" in at_work.serving.deployed
    assert len(at_work.serving.deployed) == 2


def test_mistakes_are_said_before_anything_changes(at_work: Project) -> None:
    before = list(at_work.serving.writes)
    with pytest.raises(UsageError, match="no canary runs"):
        canary(at_work, None)
    with pytest.raises(UsageError, match="whole percents"):
        canary(at_work, 2, 2.5)
    with pytest.raises(UsageError, match="whole percents"):
        canary(at_work, 2, 0, 10)
    del at_work.settings["serving"]
    with pytest.raises(UsageError, match=r"Terraform's output mlops\.serving"):
        verbs.deploy(at_work.target)
    assert at_work.serving.writes == before


def test_another_canary_is_not_begun_beside_one(project: Project) -> None:
    verbs.deploy(project.target)
    with pytest.raises(GateClosed):
        canary(project, step_seconds=0.1)
    project.publish("three")
    with pytest.raises(RegistryError, match="version 2 is a canary already"):
        canary(project, 3)


def test_a_share_that_was_set_in_the_registry_is_followed(project: Project) -> None:
    verbs.deploy(project.target)
    with pytest.raises(GateClosed):
        canary(project, step_seconds=0.1)
    registry: Registry = project.registry
    rollout.set_percent(registry, NAME, 40, NOTE)
    with pytest.raises(GateClosed):
        canary(project, None, step_seconds=0.1)
    assert deployed(project) == {"1": 60, "2": 40}


def test_the_doctor_names_what_an_endpoint_lacks(project: Project) -> None:
    environment = {"MLOPS_DEPLOYMENT": json.dumps(project.settings | {"root": "gs://mlops-tests/ml"})}
    project.vertex.services.add("monitoring")
    assert [one for one in checks.examine(environment) if not one.ok] == []
    project.vertex.services.remove("monitoring")
    project.vertex.permissions = {*checks.JOBS, checks.ACT_AS, *checks.ENDPOINTS} - {"monitoring.timeSeries.list"}
    project.settings["serving"]["endpoints"] = {NAME: ENDPOINT.replace("1001", "1002")}
    environment = {"MLOPS_DEPLOYMENT": json.dumps(project.settings | {"root": "gs://mlops-tests/ml"})}
    found = {one.name: one for one in checks.examine(environment) if not one.ok}
    assert "monitoring.googleapis.com" in found["APIs"].fix
    assert found["endpoints"].found == "missing: monitoring.timeSeries.list"
    assert "output mlops.serving.endpoints" in found[f"endpoint {NAME}"].fix
    assert "serving account" not in found
