"""Changes to rendered manifests: pull policy, CPU requests, ports of the node."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PODS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"}
NODE_PORTS = {"ml-pipeline-ui": 30080, "model-server": 30501}
"""Service -> its port on the node, which kind maps to one of this machine; kustomize/ has the model server's too."""
_SIZES = {
    "": 1.0,
    "m": 0.001,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}


def pod_spec(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification of an object's pods; empty when it has none."""
    if item.get("kind") not in PODS:
        return {}
    spec: dict[str, Any] = item.get("spec") or {}
    if item["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec if item["kind"] == "Pod" else spec["template"]["spec"]


def containers(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the containers of an object's pods, init containers included."""
    spec = pod_spec(item)
    for group in ("initContainers", "containers"):
        yield from spec.get(group) or ()


def set_pull_policy(objects: Sequence[Mapping[str, Any]], policy: str) -> None:
    """Set the pull policy of every container: an image that was loaded into the node must not be pulled."""
    for item in objects:
        for container in containers(item):
            container["imagePullPolicy"] = policy


def cap_cpu_requests(objects: Sequence[Mapping[str, Any]], most: str) -> None:
    """Lower every container's CPU request to at most `most`; limits stay as they are."""
    for item in objects:
        for container in containers(item):
            requests = (container.get("resources") or {}).get("requests") or {}
            if "cpu" in requests and amount(requests["cpu"]) > amount(most):
                requests["cpu"] = most


def set_resources(objects: Sequence[Mapping[str, Any]], deployment: str, cpu: str, memory: str) -> None:
    """Set the CPU and memory requests of a Deployment's containers; memory is the limit, too. Empty changes nothing."""
    found: list[dict[str, Any]] = []
    for item in objects:
        if item.get("kind") == "Deployment" and item["metadata"]["name"] == deployment:
            found += pod_spec(item)["containers"]
    for container in found:
        resources = container.setdefault("resources", {})
        requests, limits = resources.setdefault("requests", {}), resources.setdefault("limits", {})
        if cpu:
            requests["cpu"] = cpu
            limits["cpu"] = max(cpu, limits.get("cpu", cpu), key=amount)
        if memory:
            requests["memory"] = limits["memory"] = memory


def expose(objects: Sequence[Mapping[str, Any]], service: str) -> None:
    """Publish a service on its port of the node."""
    for item in objects:
        if item.get("kind") == "Service" and item["metadata"]["name"] == service:
            item["spec"]["type"] = "NodePort"
            item["spec"]["ports"][0]["nodePort"] = NODE_PORTS[service]


def amount(quantity: object) -> float:
    """Parse a quantity of Kubernetes, such as 250m or 1Gi, into CPUs or bytes."""
    number, unit = re.fullmatch(r"([\d.]+)([a-zA-Z]*)", str(quantity)).groups()  # type: ignore[union-attr]  # Kubernetes checked it
    return float(number) * _SIZES.get(unit, 1.0)
