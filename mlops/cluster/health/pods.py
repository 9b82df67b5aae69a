"""Explains why a pod is not ready, and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops.cluster.manifests.workloads import amount

_PULLING = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}


@dataclass(frozen=True)
class Trouble:
    """Why a pod is not ready."""

    pod: str
    why: str
    fix: str = ""
    """What to do; empty when it may only need time."""
    is_final: bool = False
    """Whether waiting will hardly help."""
    container: str = ""
    """The container that is not ready; empty when it is the pod."""

    def __str__(self) -> str:
        return f"{self.pod}: {self.why}{f' -> {self.fix}' if self.fix else ''}"


def trouble(pod: Mapping[str, Any], all_pods: Sequence[Mapping[str, Any]] = (), cpus: float = 0.0) -> Trouble | None:
    """Return why a pod is not ready; None when it is ready or has succeeded.

    `all_pods` and the `cpus` of the nodes are needed to explain why no node has room.
    """
    name, status = pod["metadata"]["name"], pod.get("status", {})
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    if status.get("phase") == "Succeeded" or conditions.get("Ready", {}).get("status") == "True":
        return None
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _unscheduled(name, scheduled.get("message", "no node takes it"), all_pods, cpus)
    for container in _containers(status):
        if found := _container_trouble(name, container):
            return found
    return Trouble(name, "starts" if is_running(pod) else f"{status.get('phase', 'not created yet')}".lower())


def is_running(pod: Mapping[str, Any]) -> bool:
    """Whether every container of a pod runs, ready or not."""
    containers = pod.get("status", {}).get("containerStatuses", [])
    return bool(containers) and all("running" in container.get("state", {}) for container in containers)


def belongs(pod: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a pod has these labels and is not being deleted."""
    metadata = pod["metadata"]
    return labels.items() <= metadata.get("labels", {}).items() and "deletionTimestamp" not in metadata


def requested(pods: Sequence[Mapping[str, Any]], resource: str) -> float:
    """Return what the pods on nodes reserve of a resource, in CPUs or bytes."""
    placed = [
        pod
        for pod in pods
        if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") in {"Pending", "Running"}
    ]
    return sum(_request(pod, resource) for pod in placed)


def _request(pod: Mapping[str, Any], resource: str) -> float:
    def of(group: str) -> list[float]:
        return [
            amount((container.get("resources") or {}).get("requests", {}).get(resource, 0))
            for container in pod["spec"].get(group) or ()
        ]

    return max(sum(of("containers")), *of("initContainers"), 0.0)


def _unscheduled(name: str, message: str, all_pods: Sequence[Mapping[str, Any]], cpus: float) -> Trouble:
    if "Insufficient cpu" in message:
        pod = next((one for one in all_pods if one["metadata"]["name"] == name), None)
        wanted = f"it asks for {_request(pod, 'cpu'):g} CPU, " if pod else ""
        why = f"no node has room: {wanted}{requested(all_pods, 'cpu'):.2f} of {cpus:g} CPUs are reserved"
        fix = "set MLOPS_KFP_CPU_REQUEST=20m, end other pods, or give Docker more CPUs"
        return Trouble(name, why, fix, is_final=True)
    if "Insufficient memory" in message:
        return Trouble(
            name, f"no node has room: {message}", "give Docker more memory, or end other pods", is_final=True
        )
    return Trouble(name, f"no node takes it: {message}")


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses", [])
    yield from status.get("containerStatuses", [])


def _container_trouble(pod: str, container: Mapping[str, Any]) -> Trouble | None:
    state, name = container.get("state", {}), container["name"]
    reason = state.get("waiting", {}).get("reason", "")
    if reason in _PULLING:
        image = container.get("image", "")
        fix = f"docker pull {image} (or docker load), then try again; or set MLOPS_IMAGE_OVERRIDES={image}=OTHER"
        return Trouble(pod, f"{reason}: {image} cannot be pulled", fix, is_final=True, container=name)
    if reason == "CrashLoopBackOff":
        code = container.get("lastState", {}).get("terminated", {}).get("exitCode", "?")
        return Trouble(
            pod,
            f"{name} keeps crashing (exit code {code}, {container.get('restartCount', 0)} restarts)",
            container=name,
        )
    if reason not in ("", "PodInitializing", "ContainerCreating"):
        return Trouble(pod, f"{name}: {reason}: {state['waiting'].get('message', '')}".rstrip(": "), container=name)
    return None
