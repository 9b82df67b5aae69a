"""The Flink option renders, is limited and closed, and fits what a step's runner says; it was not run on a cluster."""

import re

import pytest

from core.beam.settings import Runner
from tests.infra.rendered import Object, named, needs_kubectl, of_kind, with_component

pytestmark = needs_kubectl
NAMES = ("beam-job-server", "flink-jobmanager", "flink-taskmanager")
RUNNER = Runner(
    runner="PortableRunner",
    options={
        "job_endpoint": "beam-job-server:8099",
        "artifact_endpoint": "beam-job-server:8098",
        "environment_type": "EXTERNAL",
        "environment_config": "localhost:50000",
    },
    code="image",
)
"""What docs/scale.md gives for beam.kfp."""


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    return with_component("flink")


def test_pods_are_limited_probed_and_unprivileged(objects: list[Object]) -> None:
    for name in NAMES:
        spec = named(objects, "Deployment", name, "kubeflow")["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"readinessProbe", "livenessProbe"} <= container.keys()
            assert re.fullmatch(r"ml-in-production/[a-z-]+", container["image"]), "an overlay names it by digest"


def test_nothing_goes_in_or_out_that_no_policy_names(objects: list[Object]) -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(objects, "NetworkPolicy")}
    for name in NAMES:
        assert policies[name]["policyTypes"] == ["Ingress", "Egress"]
        assert policies[name]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        assert not [one for rule in policies[name]["egress"] for one in rule["to"] if "ipBlock" in one]


def test_the_runner_of_the_documentation_finds_the_services(objects: list[Object]) -> None:
    server = {port["port"] for port in named(objects, "Service", "beam-job-server", "kubeflow")["spec"]["ports"]}
    assert {int(str(RUNNER.options[name]).split(":")[1]) for name in ("job_endpoint", "artifact_endpoint")} == server
    pods = named(objects, "Deployment", "flink-taskmanager", "kubeflow")["spec"]["template"]["spec"]["containers"]
    (workers,) = [one for one in pods if one["name"] == "beam-workers"]
    assert workers["image"] == "ml-in-production/tfx", "the image of steps"
    assert f"--service_port={str(RUNNER.options['environment_config']).split(':')[1]}" in workers["command"]
