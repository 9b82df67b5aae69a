"""A TFJob of Kubeflow's Training Operator: built from settings, created, followed to its end, and removed."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.worker_jobs.job import WorkerFailed, WorkerJob
from core.worker_jobs.settings import TrainingOperator

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "tfjobs"
LABEL = "mlops.training"
"""Label of a job's pods, by which the network policy knows them."""
_STORE = ("AWS_ENDPOINT_URL", "AWS_REGION", "MLOPS_STORE")
_KEYS = {"accesskey": "AWS_ACCESS_KEY_ID", "secretkey": "AWS_SECRET_ACCESS_KEY"}
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LOOK_SECONDS = 5.0
_USER = 10001


@dataclass(frozen=True)
class Pods:
    """What the processes run on."""

    settings: TrainingOperator
    image: str


def run_job(pods: Pods, job: WorkerJob, environment: Mapping[str, str], look_seconds: float = _LOOK_SECONDS) -> None:
    """Create a job, wait until it has ended, and remove it; WorkerFailed when it has failed."""
    api, namespace = _connected(), _namespace()
    name = f"train-{uuid.uuid4().hex[:12]}"
    api.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, manifest(pods, job, name, environment))
    try:
        _follow(lambda: api.get_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name), name, look_seconds)
    finally:
        api.delete_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name)


def manifest(pods: Pods, job: WorkerJob, name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the TFJob; the pod of this step owns it, so that it ends with the step, however that ends."""
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/part-of": "ml-in-production"}}
    pod, uid = environment.get("KFP_POD_NAME", ""), environment.get("KFP_POD_UID", "")
    if pod and uid:
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}]
    template = _template(pods, job)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TFJob",
        "metadata": metadata,
        "spec": {
            "runPolicy": {
                "cleanPodPolicy": "Running",
                "backoffLimit": job.distribution.attempts - 1,
                "activeDeadlineSeconds": round(job.distribution.minutes * 60 * job.distribution.attempts),
            },
            # The first process writes the model, after all others are done.
            "tfReplicaSpecs": {
                "Chief": {"replicas": 1, "restartPolicy": "OnFailure", "template": template},
                "Worker": {
                    "replicas": job.distribution.workers - 1,
                    "restartPolicy": "OnFailure",
                    "template": template,
                },
            },
        },
    }


def _template(pods: Pods, job: WorkerJob) -> dict[str, Any]:
    settings = pods.settings
    limits: dict[str, Any] = {"cpu": settings.cpu, "memory": settings.memory}
    if settings.gpus:
        limits["nvidia.com/gpu"] = settings.gpus
    container = {
        "name": "tensorflow",  # the operator looks for this name
        "image": pods.image,
        "command": job.command,
        "env": _variables(settings),
        "ports": [{"name": "tfjob-port", "containerPort": 2222}],
        "resources": {"requests": limits, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "metadata": {"labels": {LABEL: "true"}},
        "spec": {
            "serviceAccountName": settings.service_account,
            "automountServiceAccountToken": False,
            "securityContext": {"runAsUser": _USER, "runAsGroup": _USER, "runAsNonRoot": True},
            "containers": [container],
        },
    }


def _variables(settings: TrainingOperator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in _STORE:
        key = {"name": settings.config_map, "key": name, "optional": True}
        found.append({"name": name, "valueFrom": {"configMapKeyRef": key}})
    if settings.secret:
        for key_name, name in _KEYS.items():
            reference = {"name": settings.secret, "key": key_name}
            found.append({"name": name, "valueFrom": {"secretKeyRef": reference}})
    return found


def _follow(look: Callable[[], dict[str, Any]], name: str, seconds: float) -> None:
    while True:
        conditions = look().get("status", {}).get("conditions", [])
        states = {one["type"]: one for one in conditions if one.get("status") == "True"}
        if "Succeeded" in states:
            return
        if "Failed" in states:
            reason = states["Failed"].get("message") or states["Failed"].get("reason", "")
            raise WorkerFailed(f"the TFJob {name} failed: {reason}; see the logs of its pods")
        time.sleep(seconds)


def _namespace() -> str:
    return _NAMESPACE.read_text(encoding="ascii").strip()


def _connected() -> Any:
    from kubernetes import client, config  # noqa: PLC0415 - only this world has a cluster

    config.load_incluster_config()
    return client.CustomObjectsApi()
