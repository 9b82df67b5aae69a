"""The pods of a compiled pipeline: restricted, limited, ended in time, and without a secret in what is shown."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops.worlds.kfp_platform import PodSettings, for_cluster
from pipelines.compiled import PIPELINES
from tests.infra.pod_security import violations

Document = dict[str, Any]
KFP_HARDENS: Document = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What Kubeflow Pipelines 2.17 itself sets on the container of every step; who runs it is left to the pipeline."""
SECRETS = re.compile(r"secret|password|token|access.?key|credential", re.IGNORECASE)


@dataclass(frozen=True)
class StepPod:
    """One step: its container in the pipeline, and what the platform document adds."""

    label: str
    container: Document
    platform: Document

    def spec(self) -> Document:
        """The pod's specification, as far as the two documents and Kubeflow Pipelines decide it."""
        context = {**KFP_HARDENS, **self.platform.get("securityContext", {})}
        return {
            "containers": [{"name": self.label, "securityContext": context}],
            "volumes": [{"name": "kfp", "emptyDir": {}}],
        }


def pod_settings(text: str) -> list[StepPod]:
    """Return the pods of a compiled pipeline with its platform document."""
    spec, platform = yaml.safe_load_all(text)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors = spec["deploymentSpec"]["executors"]
    return [
        StepPod(label, executor["container"], pods.get(label, {}))
        for label, executor in executors.items()
        if "container" in executor
    ]


def values(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key and value that is no mapping, however deep."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield key, value
            yield from values(value)
    elif isinstance(document, list):
        yield from itertools.chain.from_iterable(values(item) for item in document)


@pytest.fixture(scope="module", params=PIPELINES)
def text(request: pytest.FixtureRequest, compiled_pipeline: Callable[[str], Path]) -> str:
    return for_cluster(compiled_pipeline(request.param), PodSettings())


def test_every_step_keeps_the_restricted_standard(text: str) -> None:
    pods = pod_settings(text)
    assert len(pods) > 1
    assert {pod.label: violations(pod.spec()) for pod in pods if violations(pod.spec())} == {}
    assert all(pod.platform["securityContext"]["runAsUser"] > 0 for pod in pods)


def test_a_step_that_may_be_root_is_found() -> None:
    pod = StepPod("step", {}, {"securityContext": {"runAsUser": 0}})
    assert violations(pod.spec()) == ["step: may run as root", "step: runs as user 0"]


def test_every_step_is_limited_and_asks_for_little(text: str) -> None:
    for pod in pod_settings(text):
        resources = pod.container["resources"]
        assert {
            "resourceCpuLimit",
            "resourceMemoryLimit",
            "resourceCpuRequest",
            "resourceMemoryRequest",
        } <= resources.keys(), pod.label
        assert resources["resourceCpuRequest"].endswith("m"), (
            f"{pod.label}: a step that asks for a whole processor waits for ever on a small node"
        )


def test_every_step_ends_in_time(text: str) -> None:
    assert all(int(pod.platform["activeDeadlineSeconds"]) > 0 for pod in pod_settings(text))


def test_every_image_is_named_by_its_content(text: str) -> None:
    for pod in pod_settings(text):
        assert re.fullmatch(
            r"[\w./-]*ml-in-production/[a-z]+(:[0-9a-f]{12,}|@sha256:[0-9a-f]{64})", pod.container["image"]
        ), pod.container["image"]


def test_secrets_are_references_and_never_values(text: str) -> None:
    spec, _ = yaml.safe_load_all(text)
    assert not [key for key, _ in values(spec) if SECRETS.search(str(key))]
    parameters = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    assert parameters
    assert not [name for name in parameters if SECRETS.search(name)]
    for pod in pod_settings(text):
        assert "env" not in pod.container, f"{pod.label}: an environment variable would be written into the pipeline"
        for secret in pod.platform.get("secretAsEnv", []):
            assert secret["keyToEnv"]
            assert set(secret) <= {"secretName", "secretNameParameter", "keyToEnv", "optional"}


def test_the_labels_that_the_network_policy_selects_are_those_of_steps() -> None:
    policies = list(
        yaml.safe_load_all(
            (Path(__file__).parents[2] / "kustomize/components/pipelines/network-policies.yaml").read_text()
        )
    )
    assert [policy["spec"]["podSelector"]["matchLabels"] for policy in policies] == [
        {"pipelines.kubeflow.org/v2_component": "true"}
    ]
