"""Names of images, where they stand in manifests, and what is said about pods that are not ready."""

from typing import Any

import pytest

from mlops.cluster.health import pods
from mlops.cluster.manifests.references import full, named, registry, replace, replaced
from mlops.cluster.manifests.workloads import amount, cap_cpu_requests, containers
from tests.unit.cluster.world import deployment


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mysql", "docker.io/library/mysql:latest"),
        ("mysql:8.4", "docker.io/library/mysql:8.4"),
        ("docker.io/alpine:3.23", "docker.io/library/alpine:3.23"),
        ("ml-in-production/tfx:abc", "docker.io/ml-in-production/tfx:abc"),
        ("ghcr.io/kubeflow/kfp-driver:2.17.0", "ghcr.io/kubeflow/kfp-driver:2.17.0"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost/x:1", "localhost/x:1"),
        ("mysql@sha256:" + "0" * 64, "docker.io/library/mysql@sha256:" + "0" * 64),
    ],
)
def test_a_name_is_written_in_full(name: str, wanted: str) -> None:
    assert full(name) == wanted
    assert registry(name) == wanted.split("/", 1)[0]


def test_the_longest_beginning_wins_and_a_whole_name_before_it() -> None:
    others = {
        "ghcr.io/": "m/a/",
        "ghcr.io/kubeflow/": "m/b/",
        "ghcr.io/kubeflow/kfp-ui:1": "own:1",
        "docker.io/library/": "m/hub/",
    }
    wanted = {
        "ghcr.io/x:1": "m/a/x:1",
        "ghcr.io/kubeflow/y:1": "m/b/y:1",
        "ghcr.io/kubeflow/kfp-ui:1": "own:1",
        "mysql:8.4": "m/hub/mysql:8.4",
        "quay.io/z:1": "quay.io/z:1",
    }
    assert {name: replaced(name, others) for name in wanted} == wanted


def _workload() -> dict[str, Any]:
    container = {
        "name": "controller",
        "image": "quay.io/argoproj/workflow-controller:v4",
        "args": ["--configmap", "settings", "--executor-image", "quay.io/argoproj/argoexec:v4"],
        "env": [
            {"name": "V2_DRIVER_IMAGE", "value": "ghcr.io/kfp-driver:1"},
            {"name": "USER_IMAGE", "valueFrom": {}},
            {"name": "MODE", "value": "a/b:c"},
        ],
    }
    return deployment("controller", "kubeflow", [container], [{"name": "wait", "image": "alpine:3"}])


def test_every_image_is_found_wherever_it_is_named() -> None:
    config = {
        "kind": "ConfigMap",
        "metadata": {"name": "install"},
        "data": {"cacheImage": "ghcr.io/busybox", "text": "some image: here"},
    }
    cron = {
        "kind": "CronJob",
        "metadata": {"name": "c"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{"image": "cron:1"}]}}}}},
    }
    objects = [_workload(), config, cron]
    found = [
        "alpine:3",
        "quay.io/argoproj/workflow-controller:v4",
        "ghcr.io/kfp-driver:1",
        "quay.io/argoproj/argoexec:v4",
        "ghcr.io/busybox",
        "cron:1",
    ]
    assert named(objects) == found
    replace(objects, dict.fromkeys(found, "mine:1"))
    assert named(objects) == ["mine:1"]


def test_only_requests_above_the_cap_are_lowered() -> None:
    item = deployment(
        "a",
        "b",
        [{"name": str(cpu), "image": "i", "resources": {"requests": {"cpu": cpu}}} for cpu in ("250m", "1", "10m", 2)],
    )
    cap_cpu_requests([item], "20m")
    assert [container["resources"]["requests"]["cpu"] for container in containers(item)] == ["20m", "20m", "10m", "20m"]


@pytest.mark.parametrize(
    ("text", "wanted"), [("250m", 0.25), ("2", 2), (1, 1), ("1Gi", 2**30), ("0.5", 0.5), ("128k", 128000)]
)
def test_quantities_are_read(text: object, wanted: float) -> None:
    assert amount(text) == wanted


def _pod(**status: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": "500m"}}
    return {
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n", "containers": [{"name": "main", "resources": resources}]},
        "status": {"phase": "Pending", **status},
    }


def _waiting(reason: str, **more: Any) -> dict[str, Any]:
    return _pod(containerStatuses=[{"name": "main", "image": "x:1", "state": {"waiting": {"reason": reason, **more}}}])


@pytest.mark.parametrize(
    ("pod", "why", "is_final"),
    [
        (_waiting("ErrImagePull"), "ErrImagePull: x:1 cannot be pulled", True),
        (_waiting("ImagePullBackOff"), "ImagePullBackOff: x:1 cannot be pulled", True),
        (_waiting("ErrImageNeverPull"), "ErrImageNeverPull: x:1 cannot be pulled", True),
        (_waiting("CrashLoopBackOff"), "main keeps crashing", False),
        (
            _waiting("CreateContainerConfigError", message='secret "s" not found'),
            'main: CreateContainerConfigError: secret "s" not found',
            False,
        ),
        (_waiting("ContainerCreating"), "pending", False),
        (
            _pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "1 Insufficient cpu"}]),
            "it asks for 0.5 CPU, 0.50 of 2 CPUs are reserved",
            True,
        ),
        (
            _pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "1 Insufficient memory"}]),
            "Insufficient memory",
            True,
        ),
        (
            _pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "unbound volume"}]),
            "no node takes it: unbound volume",
            False,
        ),
    ],
)
def test_a_pod_that_is_not_ready_says_why(pod: dict[str, Any], why: str, is_final: bool) -> None:
    found = pods.trouble(pod, [pod], 2.0)
    assert found is not None
    assert why in found.why
    assert found.is_final is is_final


@pytest.mark.parametrize(
    "status", [{"phase": "Succeeded"}, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}]
)
def test_a_pod_that_is_ready_or_done_is_no_trouble(status: dict[str, Any]) -> None:
    assert pods.trouble(_pod(**status)) is None
