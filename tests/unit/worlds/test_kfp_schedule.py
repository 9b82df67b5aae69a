"""A schedule is what the configuration says, once, whatever was there before and whatever fails in between."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fake_kfp import FakeKfp, served

from core.errors import MlopsError, UsageError
from core.images import GROUPS, chosen_references, image
from mlops.cluster.access import reach
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.kfp_schedule import LOCAL_HANDLER, KfpSchedules
from pipelines.config import UseCase, find, load
from pipelines.schedule import Schedule

CREATE, DELETE = ("POST", "recurringruns"), ("DELETE", "recurringruns")


@pytest.fixture
def api(kfp: FakeKfp) -> Iterator[str]:
    with served(kfp) as address:
        yield address


@pytest.fixture
def schedules(api: str) -> KfpSchedules:
    return KfpSchedules(Connection(api, "", "s3://bucket/folder", local=False), {})


def _usecase(cron: str = "0 6 2 * *", **changes: object) -> UseCase:
    return load(find("flight_delay")).model_copy(
        update={"schedules": {"retrain": Schedule.model_validate({"cron": cron, **changes})}}
    )


def test_a_second_apply_changes_nothing(kfp: FakeKfp, schedules: KfpSchedules) -> None:
    first = schedules.apply(_usecase())
    kfp.calls.clear()
    second = schedules.apply(_usecase())
    assert (first.unchanged, second.created, second.removed) == ((), (), ())
    assert first.created == second.unchanged
    assert not {CREATE, DELETE} & set(kfp.calls)


@pytest.mark.known_failure(4)
def test_what_recurs_submits_a_pinned_run_makes_up_for_nothing_and_is_given_no_secret(
    kfp: FakeKfp, schedules: KfpSchedules
) -> None:
    schedules.apply(_usecase())
    [made] = kfp.recurring.values()
    assert made["trigger"]["cron_schedule"]["cron"] == "0 0 6 2 * *"
    assert (made["no_catchup"], int(made["max_concurrency"]), made["mode"]) == (True, 1, "ENABLE")
    spec = made["pipeline_spec"]["pipeline_spec"]
    [executor] = spec["deploymentSpec"]["executors"].values()
    assert executor["container"]["command"] == ["mlops"]
    assert executor["container"]["args"] == [
        "submit",
        "flight_delay",
        "--at",
        "kfp",
        "--pipeline",
        "level1",
        "--span",
        "newest",
    ]
    variables = {one["name"]: one["value"] for one in executor["container"]["env"]}
    assert variables["KFP_ENDPOINT"] == "http://ml-pipeline.kubeflow:8888"
    assert "SECRET" not in json.dumps(executor) and "KEY" not in " ".join(variables)
    [pod] = made["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert pod["secretAsEnv"][0]["secretName"] == "mlpipeline-minio-artifact"
    assert {one["envVar"] for one in pod["configMapAsEnv"][0]["keyToEnv"]} >= {"MLOPS_STORE", "AWS_ENDPOINT_URL"}


@pytest.mark.parametrize(("variables", "local"), [({"MLOPS_TRIGGER_HANDLER": LOCAL_HANDLER}, False), ({}, True)])
def test_where_a_handler_is_what_recurs_sends_it_the_slot(
    kfp: FakeKfp, api: str, variables: dict[str, str], local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "lacking_images", lambda _: [])
    KfpSchedules(Connection(api, "", "s3://bucket/folder", local=local), variables).apply(_usecase())
    [made] = kfp.recurring.values()
    [executor] = made["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"].values()
    sent = executor["container"]["args"]
    assert sent[:2] == ["trigger", "send"]
    assert sent[2:] == ["flight_delay", "--cause", "schedule", "--schedule", "retrain", "--to", LOCAL_HANDLER]
    [pod] = made["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    [secret] = pod["secretAsEnv"]
    assert secret["secretName"] == "mlops-trigger"
    assert secret["keyToEnv"] == [{"secretKey": "secret", "envVar": "MLOPS_TRIGGER_SECRET"}]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert "configMapAsEnv" not in pod, "what only sends a fact gets no store"


def test_a_recurring_run_that_submits_gives_way_to_one_that_goes_through_the_handler(kfp: FakeKfp, api: str) -> None:
    connection = Connection(api, "", "s3://bucket/folder", local=False)
    [old] = KfpSchedules(connection, {}).apply(_usecase()).created
    applied = KfpSchedules(connection, {"MLOPS_TRIGGER_HANDLER": LOCAL_HANDLER}).apply(_usecase())
    assert (len(applied.created), applied.removed) == (1, (old,))


def test_a_change_is_created_before_the_old_one_goes(kfp: FakeKfp, schedules: KfpSchedules) -> None:
    [old] = schedules.apply(_usecase()).created
    kfp.calls.clear()
    applied = schedules.apply(_usecase("0 7 2 * *"))
    assert (len(applied.created), applied.removed) == (1, (old,))
    assert [call for call in kfp.calls if call in (CREATE, DELETE)] == [CREATE, DELETE]
    assert [one.cron for one in schedules.of("flight_delay")] == ["0 7 2 * *"]


@pytest.mark.parametrize("broken", [CREATE, DELETE])
def test_a_failure_on_the_way_leaves_a_schedule_and_the_next_apply_mends_it(
    kfp: FakeKfp, schedules: KfpSchedules, broken: tuple[str, str]
) -> None:
    schedules.apply(_usecase())
    kfp.fail.add(broken)
    with pytest.raises(MlopsError, match="Kubeflow Pipelines answered 500"):
        schedules.apply(_usecase("0 7 2 * *"))
    assert schedules.of("flight_delay")
    kfp.fail.clear()
    schedules.apply(_usecase("0 7 2 * *"))
    assert [one.cron for one in schedules.of("flight_delay")] == ["0 7 2 * *"]


def test_a_use_case_has_several_schedules_and_a_change_of_one_leaves_the_others(
    kfp: FakeKfp, schedules: KfpSchedules
) -> None:
    nightly = Schedule(cron="0 1 * * *", pipeline="level0", span="configured")
    both = _usecase().model_copy(update={"schedules": {**_usecase().schedules, "check": nightly}})
    created = {recurring.name.split("-")[2]: recurring for recurring in schedules.apply(both).created}
    assert set(created) == {"retrain", "check"}
    changed = both.model_copy(update={"schedules": {"retrain": Schedule(cron="0 7 2 * *"), "check": nightly}})
    applied = schedules.apply(changed)
    assert (applied.unchanged, applied.removed) == ((created["check"],), (created["retrain"],))
    assert schedules.apply(_usecase("0 7 2 * *")).removed == (created["check"],)
    [left] = schedules.of("flight_delay")
    assert left.name.startswith("mlops-flight_delay-retrain-")


def test_another_use_cases_schedules_are_left_alone(kfp: FakeKfp, schedules: KfpSchedules) -> None:
    other = _usecase().model_copy(update={"name": "flight"})
    schedules.apply(_usecase())
    schedules.apply(other)
    assert [one.name[: len("mlops-flight-")] for one in schedules.delete("flight")] == ["mlops-flight-"]
    assert len(schedules.of()) == 1
    assert schedules.delete("flight") == []


def test_a_schedule_that_somebody_switched_off_is_replaced_and_not_switched_on(
    kfp: FakeKfp, schedules: KfpSchedules
) -> None:
    """Switched on again it would start the runs of the time in between."""
    [first] = schedules.apply(_usecase()).created
    kfp.recurring[first.id]["status"] = "DISABLED"
    applied = schedules.apply(_usecase())
    assert applied.created
    assert [one.id for one in applied.removed] == [first.id]


def test_a_use_case_without_a_schedule_says_what_to_write(schedules: KfpSchedules) -> None:
    usecase = load(find("flight_delay")).model_copy(update={"schedules": {}})
    with pytest.raises(UsageError, match=r"config.yaml: schedules is missing; add at least one with its cron"):
        schedules.apply(usecase)


def test_a_use_case_that_no_image_holds_is_refused(
    schedules: KfpSchedules, tmp_path_factory: pytest.TempPathFactory
) -> None:
    usecase = _usecase().model_copy(update={"folder": tmp_path_factory.mktemp("elsewhere")})
    with pytest.raises(UsageError, match="images hold no other use case"):
        schedules.apply(usecase)


def test_a_schedule_is_not_applied_to_nodes_that_lack_its_image(
    kfp: FakeKfp, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "lacking_images", lambda names: names)
    with pytest.raises(MlopsError, match=r"the cluster's node lacks ml-in-production/data:[0-9a-f]{16}: "):
        KfpSchedules(Connection(api, "", "s3://bucket/folder", local=True), {}).apply(_usecase())
    assert not kfp.recurring


def test_a_schedule_hands_the_images_of_a_registry_to_what_it_submits(kfp: FakeKfp, api: str) -> None:
    references = {image(group): f"registry.example/{image(group)}@sha256:{'1' * 64}" for group in GROUPS}
    KfpSchedules(Connection(api, "", "s3://bucket/folder", local=False), {}, references).apply(_usecase())
    [made] = kfp.recurring.values()
    [executor] = made["pipeline_spec"]["pipeline_spec"]["deploymentSpec"]["executors"].values()
    variables = {one["name"]: one["value"] for one in executor["container"]["env"]}
    assert executor["container"]["image"] == references["ml-in-production/data"]
    assert chosen_references(variables, Path("no-record")) == references


def test_nothing_that_answers_is_said_with_its_address() -> None:
    with pytest.raises(MlopsError, match=r"http://127.0.0.1:1: Kubeflow Pipelines does not answer"):
        KfpSchedules(Connection("http://127.0.0.1:1", "", "s3://bucket/folder", local=False), {}).of()


def test_the_trigger_is_one_document_per_kind(kfp: FakeKfp, schedules: KfpSchedules) -> None:
    documents = list(yaml.safe_load_all(schedules._trigger("flight_delay", "retrain", Schedule(cron="0 6 2 * *"))))
    assert [sorted(document)[:1] for document in documents] == [["components"], ["platforms"]]
