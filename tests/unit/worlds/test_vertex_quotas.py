"""The doctor compares what the settings need with the project's quotas; what it cannot read is undecided."""

import json
from typing import Any

import pytest
from click.testing import CliRunner
from served_project import Project

from core.finding import Finding
from mlops.cli.main import cli
from mlops.worlds.vertex import checks, quotas
from mlops.worlds.vertex.deployment import Deployment
from tests.loopback import Fault

CPUS, T4 = "custom_model_training_cpus", "custom_model_training_nvidia_t4_gpus"
SERVING = "custom_model_serving_cpus"


def examined(project: Project, **changes: Any) -> list[Finding]:
    environment = {"MLOPS_DEPLOYMENT": json.dumps({**project.settings, "root": "gs://mlops-tests/ml", **changes})}
    return [one for one in checks.examine(environment) if one.name.startswith("quota")]


def of_step(project: Project, **settings: Any) -> dict[str, int]:
    """Return quota -> amount for a deployment with such a step."""
    deployment = Deployment.model_validate({**project.settings, "steps": {"train_model": settings}, "serving": None})
    return {demand.metric: demand.amount for demand in quotas.demands(deployment)}


def test_a_quota_that_is_too_small_is_named_with_wanted_got_and_where_to_raise_it(project: Project) -> None:
    project.vertex.quotas[T4] = {"": 5, "europe-west1": 1, "us-central1": 8}
    steps = {"train_model": {"accelerator": "NVIDIA_TESLA_T4", "accelerators": 2}}
    [small] = [one for one in examined(project, steps=steps) if not one.ok]
    assert (small.name, small.required) == ("quota training_nvidia_t4_gpus", True)
    assert small.found == f"{T4} in europe-west1: wanted 2 (steps.train_model), got 1"
    assert f"quotas?project=my-project&metric=aiplatform.googleapis.com%2F{T4}" in small.fix
    assert "raise it to 2 or more" in small.fix
    project.vertex.quotas[T4]["europe-west1"] = 2
    assert all(one.ok for one in examined(project, steps=steps))


@pytest.mark.parametrize(
    ("limits", "ok"),
    [
        ({"europe-west1": 4}, True),
        ({"": 4}, True),
        ({"": -1}, True),
        ({"": 3}, False),
        ({"europe-west1": 0}, False),  # a zero is left out of the answer
        ({"": 40, "europe-west1": 0}, False),
    ],
)
def test_a_regions_own_limit_counts_before_the_one_of_all(project: Project, limits: dict[str, int], ok: bool) -> None:
    project.vertex.quotas[CPUS] = limits
    [cpus] = [one for one in examined(project, serving=None) if one.name == "quota training_cpus"]
    assert cpus.ok == ok


def test_a_limit_of_other_regions_only_is_undecided(project: Project) -> None:
    project.vertex.quotas[CPUS] = {"us-central1": 100}
    [cpus] = examined(project, serving=None)
    assert (cpus.ok, cpus.required) == (False, True)
    assert cpus.found.startswith("undecided")


def test_who_may_not_read_quotas_gets_no_verdict(project: Project) -> None:
    project.vertex.permissions = {*checks.JOBS, *checks.OBJECTS, *checks.ENDPOINTS, checks.ACT_AS}
    [undecided] = examined(project)
    assert (undecided.ok, undecided.required) == (False, True)
    assert undecided.found.startswith("undecided")
    assert quotas.PERMISSION in undecided.fix
    project.vertex.permissions.add(quotas.PERMISSION)
    assert all(one.ok for one in examined(project))


def test_a_service_that_fails_decides_nothing(project: Project) -> None:
    project.loopback.every = lambda request: Fault(500) if "consumerQuotaMetrics" in request.path else None
    found = examined(project)
    assert len(found) == 2
    assert not any(one.ok for one in found)
    assert all(one.required and one.found.startswith("undecided") for one in found)


def test_an_accelerator_without_a_quota_of_the_expected_name_is_undecided(project: Project) -> None:
    found = {one.name: one for one in examined(project, steps={"train_model": {"accelerator": "NVIDIA_NEW_9"}})}
    new = found["quota training_nvidia_new_9_gpus"]
    assert (new.ok, new.required) == (False, False)
    assert new.found.startswith("undecided")
    assert "metric=aiplatform.googleapis.com%2Fcustom_model_training_nvidia_new_9_gpus" in new.fix


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, {CPUS: 4}),
        ({"cpu": 9}, {CPUS: 16}),
        ({"memory_gb": 100}, {CPUS: 16}),
        ({"cpu": 8, "accelerator": "NVIDIA_TESLA_T4"}, {CPUS: 8, T4: 1}),
        (
            {"accelerator": "NVIDIA_L4", "cpu": 8, "accelerators": 2},
            {CPUS: 4, "custom_model_training_g2_cpus": 8, "custom_model_training_nvidia_l4_gpus": 2},
        ),
        (
            {"accelerator": "NVIDIA_H100_80GB", "accelerators": 8},
            {CPUS: 4, "custom_model_training_a3_cpus": 4, "custom_model_training_nvidia_h100_gpus": 8},
        ),
        ({"accelerator": "TPU_V5_LITEPOD", "accelerators": 4}, {CPUS: 4, "custom_model_training_tpu_v5e": 4}),
    ],
)
def test_a_step_needs_the_machine_that_holds_it(
    project: Project, settings: dict[str, Any], needed: dict[str, int]
) -> None:
    assert of_step(project, **settings) == needed


def test_an_endpoint_needs_all_replicas_of_two_versions(project: Project) -> None:
    serving = {**project.settings["serving"], "machine": "n1-standard-4", "max_replicas": 5}
    serving |= {"accelerator": "NVIDIA_TESLA_T4"}
    project.vertex.quotas["custom_model_serving_nvidia_t4_gpus"] = {"": 10}
    [cpus] = [one for one in examined(project, serving=serving) if not one.ok]
    assert f"{SERVING} in europe-west1: wanted 40" in cpus.found
    assert cpus.found.endswith("got 30")


def test_the_doctor_ends_with_1_for_a_quota_and_with_0_without(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.vertex.services.add("monitoring")
    monkeypatch.setenv("MLOPS_DEPLOYMENT", json.dumps(project.settings | {"root": "gs://mlops-tests/ml"}))
    assert CliRunner().invoke(cli, ["doctor", "--at", "vertex"]).exit_code == 0
    project.vertex.quotas[CPUS] = {"": 2}
    ended = CliRunner().invoke(cli, ["doctor", "--at", "vertex"])
    assert ended.exit_code == 1
    assert f"{CPUS} in europe-west1: wanted 4 (a step without settings), got 2" in ended.output
