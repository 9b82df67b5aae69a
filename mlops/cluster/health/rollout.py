"""Waits until workloads are ready, shows what it waits for, and stops early when waiting cannot help."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from mlops.cluster.errors import ClusterError
from mlops.cluster.health import pods
from mlops.cluster.health.pods import Trouble
from mlops.cluster.nodes import kind
from mlops.cluster.programs.deadline import Deadline
from mlops.cluster.programs.kubectl import Object
from mlops.cluster.site import Site

WORKLOADS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
PATIENCE = 30.0
"""Seconds after which a final trouble ends the wait: an image's pull may succeed the second time."""


def wait(site: Site, objects: Sequence[Mapping[str, Any]], deadline: Deadline, *, enough: str = "ready") -> bool:
    """Wait until every Deployment and StatefulSet among objects is `ready`, or at least has its pods `running`.

    Returns whether all are ready. Raises ClusterError, with reason and fix for each pod, after the deadline and when
    waiting cannot help.
    """
    expected = [item for item in objects if item["kind"] in WORKLOADS]
    since: dict[str, float] = {}
    unready: list[str] = []
    troubles: list[Trouble] = []
    try:
        for _ in deadline.rounds():
            unready, waiting, troubles = examine(site, expected, enough)
            if not waiting:
                break
            serious = next((f"; {one.pod}: {one.why}" for one in troubles if one.container), "")
            site.progress.waiting(
                f"{len(expected) - len(waiting)} of {len(expected)} {enough}, waiting for {', '.join(waiting)}{serious}"
            )
            _stop_early(troubles, since)
    except ClusterError as error:
        raise ClusterError("\n".join([str(error), *(f"  {one}" for one in troubles)])) from error
    return not unready


def examine(
    site: Site, expected: Sequence[Mapping[str, Any]], enough: str
) -> tuple[list[str], list[str], list[Trouble]]:
    """Return the workloads that are not ready, those of them to wait for, and the troubles of their pods."""
    unready, waiting, troubles = [], [], []
    everywhere = site.kubectl.items("pods", "--all-namespaces")
    cpus = kind.cpus(site.kubectl.items("nodes"))
    live = _live(site, expected)
    for item in expected:
        metadata = item["metadata"]
        found = live.get((item["kind"], metadata["namespace"], metadata["name"]), {})
        labels = item["spec"]["selector"]["matchLabels"]
        own = [
            pod
            for pod in everywhere
            if pod["metadata"]["namespace"] == metadata["namespace"] and pods.belongs(pod, labels)
        ]
        if is_ready(found):
            continue
        unready.append(str(metadata["name"]))
        if enough == "running" and is_rolled_out(found) and own and all(map(pods.is_running, own)):
            continue
        waiting.append(str(metadata["name"]))
        troubles += [one for pod in own if (one := pods.trouble(pod, everywhere, cpus))]
    return unready, waiting, troubles


def is_ready(workload: Mapping[str, Any]) -> bool:
    """Whether the last change of a Deployment or StatefulSet is rolled out and every pod is ready."""
    status, wanted = workload.get("status", {}), workload.get("spec", {}).get("replicas", 1)
    return is_rolled_out(workload) and bool(status.get("readyReplicas", 0) >= wanted == status.get("replicas", 0))


def is_rolled_out(workload: Mapping[str, Any]) -> bool:
    """Whether all pods of a Deployment or StatefulSet were made after its last change."""
    if not workload:
        return False
    status = workload.get("status", {})
    is_seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    return bool(is_seen and status.get("updatedReplicas", 0) >= workload["spec"].get("replicas", 1))


def _live(site: Site, expected: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], Object]:
    found = {}
    for namespace in {item["metadata"]["namespace"] for item in expected}:
        for item in site.kubectl.items(",".join(WORKLOADS.values()), "--namespace", namespace):
            found[item["kind"], namespace, item["metadata"]["name"]] = item
    return found


def _stop_early(troubles: Sequence[Trouble], since: dict[str, float]) -> None:
    final = [one for one in troubles if one.is_final]
    for pod in set(since) - {one.pod for one in final}:
        del since[pod]
    now = time.monotonic()
    if any(now - since.setdefault(one.pod, now) >= PATIENCE for one in final):
        raise ClusterError("waiting longer will not help")
