"""What runs in the local cluster, from this machine: its services, object store, pods and their logs."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mlops.cluster.access import credentials
from mlops.cluster.access.forward import Forward
from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.health import pods as states
from mlops.cluster.manifests import references
from mlops.cluster.nodes import images as node_images
from mlops.cluster.nodes import kind
from mlops.cluster.programs.commands import Commands
from mlops.cluster.programs.kubectl import Kubectl
from mlops.cluster.settings import read
from mlops.cluster.site import KFP_NAMESPACE

STORE = "mlops-store"
"""The ConfigMap that says where the object store is, as pods see it."""


@dataclass(frozen=True)
class Pod:
    """One pod: its phase, and what keeps it from being ready, in words; empty when nothing does."""

    name: str
    phase: str
    trouble: str


@contextmanager
def forwarded(service: str, namespace: str, port: int, kubectl: Kubectl | None = None) -> Iterator[str]:
    """Yield `http://127.0.0.1:<a free port>`, which leads to a service of the cluster while the block runs.

    The connection is opened again when it drops, and closed when this process ends in any way.
    Raises ClusterError when it does not open.
    """
    forward = Forward(kubectl or _cluster(), service, namespace, port)
    try:
        yield forward.open()
    finally:
        forward.close()


@contextmanager
def store_variables(kubectl: Kubectl | None = None) -> Iterator[dict[str, str]]:
    """Yield the variables with which a program on this machine uses the cluster's object store: MLOPS_STORE and AWS_*.

    The endpoint is forwarded while the block runs. Raises ClusterError for a cluster without a store in reach.
    """
    cluster = kubectl or _cluster()
    try:
        data = cluster.get("configmap", STORE, "--namespace", KFP_NAMESPACE).get("data", {})
    except CommandFailed as error:
        raise ClusterError(
            f"the ConfigMap {KFP_NAMESPACE}/{STORE} cannot be read: {error}; `mlops cluster up` makes it"
        ) from error
    keys = credentials.keys(cluster)
    with forwarded(*_endpoint(data.get("AWS_ENDPOINT_URL", "")), cluster) as address:
        yield {
            **data,
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": keys[credentials.ACCESS_KEY],
            "AWS_SECRET_ACCESS_KEY": keys[credentials.SECRET_KEY],
        }


def pods(namespace: str, labels: Mapping[str, str], kubectl: Kubectl | None = None) -> list[Pod]:
    """Return the pods that carry labels; none when the cluster does not answer."""
    cluster = kubectl or _cluster()
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = cluster.items("pods", "--namespace", namespace, f"--selector={selector}")
    everywhere = cluster.items("pods", "--all-namespaces") if any(_is_pending(pod) for pod in found) else []
    return [
        Pod(pod["metadata"]["name"], pod.get("status", {}).get("phase", ""), _words(states.trouble(pod, everywhere)))
        for pod in found
    ]


def logs(pod: str, namespace: str, lines: int = 100, container: str = "main", kubectl: Kubectl | None = None) -> str:
    """Return the last lines of a pod's log, of the container in which a step runs; else why they cannot be read."""
    words = ("logs", pod, "--namespace", namespace, "--container", container, f"--tail={lines}")
    try:
        done = (kubectl or _cluster()).run(*words, seconds=30, check=False)
    except CommandFailed as error:
        return str(error)
    return done.stdout or done.stderr


def lacking_images(names: Sequence[str]) -> list[str]:
    """Return those images that not every node of the local cluster has; none where the nodes cannot be asked."""
    commands = Commands(os.environ)
    present = node_images.on_nodes(commands, kind.nodes(commands, read(os.environ).name))
    return [name for name in names if references.full(name) not in present] if present else []


def _cluster() -> Kubectl:
    return Kubectl.of(os.environ)


def _endpoint(url: str) -> tuple[str, str, int]:
    """Read `http://seaweedfs.kubeflow:9000` as service, namespace and port."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    service, _, namespace = host.partition(".")
    if not service or not port.isdigit():
        raise ClusterError(f"ConfigMap {STORE}: AWS_ENDPOINT_URL {url!r} is no http://SERVICE.NAMESPACE:PORT")
    return service, namespace.partition(".")[0] or KFP_NAMESPACE, int(port)


def _is_pending(pod: Mapping[str, object]) -> bool:
    status = pod.get("status")
    return isinstance(status, dict) and status.get("phase") == "Pending"


def _words(trouble: states.Trouble | None) -> str:
    return f"{trouble.why}{f' -> {trouble.fix}' if trouble.fix else ''}" if trouble else ""
