"""Reaches from this machine what runs in the local cluster: services, object store, pods and logs."""

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
"""Name of the ConfigMap with the address of the object store, as pods see it."""


@dataclass(frozen=True)
class Pod:
    """One pod of the cluster."""

    name: str
    phase: str
    """Such as `Pending` or `Running`."""
    trouble: str
    """Why it is not ready, and what to do; empty when it is ready or has ended well."""


@contextmanager
def forwarded(service: str, namespace: str, port: int, kubectl: Kubectl | None = None) -> Iterator[str]:
    """Yield `http://127.0.0.1:<a free port>`, which is forwarded to a service of the cluster while the block runs.

    The connection is reopened when it drops, and closed when this process ends, however it ends.
    Raises ClusterError when it does not open.
    """
    forward = Forward(kubectl or _cluster(), service, namespace, port)
    try:
        yield forward.open()
    finally:
        forward.close()


@contextmanager
def store_variables(kubectl: Kubectl | None = None) -> Iterator[dict[str, str]]:
    """Yield the variables for a program on this machine to use the cluster's object store: MLOPS_STORE and AWS_*.

    The endpoint is forwarded while the block runs. Raises ClusterError when the store or its keys cannot be reached.
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
    """Return the pods with these labels; none when the cluster does not answer."""
    cluster = kubectl or _cluster()
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = cluster.items("pods", "--namespace", namespace, f"--selector={selector}")
    everywhere = cluster.items("pods", "--all-namespaces") if any(_is_pending(pod) for pod in found) else []
    return [
        Pod(pod["metadata"]["name"], pod.get("status", {}).get("phase", ""), _describe(states.trouble(pod, everywhere)))
        for pod in found
    ]


def logs(pod: str, namespace: str, lines: int = 100, container: str = "main", kubectl: Kubectl | None = None) -> str:
    """Return the last lines of the log of a pod's container, by default a step's; or why they cannot be read."""
    arguments = ("logs", pod, "--namespace", namespace, "--container", container, f"--tail={lines}")
    try:
        done = (kubectl or _cluster()).run(*arguments, seconds=30, check=False)
    except CommandFailed as error:
        return str(error)
    return done.stdout or done.stderr


def lacking_images(names: Sequence[str]) -> list[str]:
    """Return the images that a node of the local cluster lacks; none when the nodes do not answer."""
    commands = Commands(os.environ)
    present = node_images.on_nodes(commands, kind.nodes(commands, read(os.environ).name))
    return [name for name in names if references.full(name) not in present] if present else []


def _cluster() -> Kubectl:
    return Kubectl.of(os.environ)


def _endpoint(url: str) -> tuple[str, str, int]:
    """Parse an address such as `http://seaweedfs.kubeflow:9000` into service, namespace and port."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    service, _, namespace = host.partition(".")
    if not service or not port.isdigit():
        raise ClusterError(f"ConfigMap {STORE}: AWS_ENDPOINT_URL: wanted http://SERVICE.NAMESPACE:PORT, got {url!r}")
    return service, namespace.partition(".")[0] or KFP_NAMESPACE, int(port)


def _is_pending(pod: Mapping[str, object]) -> bool:
    status = pod.get("status")
    return isinstance(status, dict) and status.get("phase") == "Pending"


def _describe(trouble: states.Trouble | None) -> str:
    return f"{trouble.why}{f' -> {trouble.fix}' if trouble.fix else ''}" if trouble else ""
