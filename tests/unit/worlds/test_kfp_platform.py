"""What a cluster is told of pods changes no pipeline, unless a person asked for that by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import UsageError
from mlops.worlds.kfp_platform import PodSettings, for_cluster

Documents = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def compiled(compiled_pipeline: Callable[[str], Path]) -> Path:
    return compiled_pipeline("level1")


def _sent(compiled: Path, settings: PodSettings, **options: bool) -> Documents:
    spec, platform = yaml.safe_load_all(for_cluster(compiled, settings, **options))
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_the_pipeline_is_sent_as_it_is_and_keeps_its_time_limits(compiled: Path) -> None:
    spec, limits = yaml.safe_load_all(compiled.read_text(encoding="utf-8"))
    sent, pods = _sent(compiled, PodSettings())
    assert sent == spec
    before = limits["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {label: pod["activeDeadlineSeconds"] for label, pod in pods.items()} == {
        label: pod["activeDeadlineSeconds"] for label, pod in before.items()
    }


def test_only_steps_that_use_the_store_are_given_its_keys(compiled: Path) -> None:
    _, pods = _sent(compiled, PodSettings())
    assert {label for label, pod in pods.items() if "secretAsEnv" in pod} == {
        "exec-evaluate-model",
        "exec-ingest-examples",
        "exec-push-model",
        "exec-train-model",
    }


def test_no_pod_is_given_a_key_where_an_identity_takes_its_place(compiled: Path) -> None:
    _, pods = _sent(compiled, PodSettings(secret=""))
    assert not [label for label, pod in pods.items() if "secretAsEnv" in pod]


def test_a_deployment_can_set_other_amounts_aside(compiled: Path) -> None:
    sent, _ = _sent(compiled, PodSettings(cpu="50m", memory="256Mi"))
    resources = [executor["container"]["resources"] for executor in sent["deploymentSpec"]["executors"].values()]
    assert {(one["resourceCpuRequest"], one["resourceMemoryRequest"]) for one in resources} == {("50m", "256Mi")}
    assert not [one for one in resources if "cpuRequest" in one or "memoryRequest" in one]
    assert {one["resourceCpuLimit"] for one in resources} == {"2"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MLOPS_STEP_CPU", "a lot"), ("MLOPS_STEP_MEMORY", "1GB"), ("MLOPS_PULL_POLICY", "Sometimes")],
)
def test_a_setting_that_means_nothing_is_refused_by_its_name(variable: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{variable}='{value}'"):
        PodSettings.of({variable: value})


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert PodSettings.of({"MLOPS_PULL_POLICY": "", "MLOPS_STEP_CPU": ""}) == PodSettings()
