"""A step may create the job that it trains with, and the job's processes reach each other; not run on a cluster."""

import pytest

from core.worker_jobs import training_operator
from core.worker_jobs.job import WorkerJob
from core.worker_jobs.settings import Distribution, TrainingOperator
from tests.infra.rendered import Object, named, needs_kubectl, with_component

pytestmark = needs_kubectl
JOB = WorkerJob(Distribution(workers=2), "components.train_model.worker", ())


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    return with_component("training-operator")


def test_steps_may_do_with_jobs_what_the_step_does_and_no_more(objects: list[Object]) -> None:
    (rule,) = named(objects, "Role", "training-jobs", "kubeflow")["rules"]
    assert rule == {
        "apiGroups": [training_operator.GROUP],
        "resources": [training_operator.PLURAL],
        "verbs": ["create", "get", "delete"],
    }
    (subject,) = named(objects, "RoleBinding", "training-jobs", "kubeflow")["subjects"]
    assert subject["name"] == "pipeline-runner"


def test_the_policy_is_that_of_the_pods(objects: list[Object]) -> None:
    made = training_operator.manifest(training_operator.Pods(TrainingOperator(), "image"), JOB, "name", {})
    template = made["spec"]["tfReplicaSpecs"]["Worker"]["template"]
    policy = named(objects, "NetworkPolicy", "training", "kubeflow")["spec"]
    assert policy["podSelector"]["matchLabels"] == template["metadata"]["labels"]
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == [
        port["containerPort"] for port in template["spec"]["containers"][0]["ports"]
    ]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not [one for egress in policy["egress"] for one in egress["to"] if "ipBlock" in one]
