"""Keeps states, events and logs in a folder when the cluster does not come up, and prints the main lines."""

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops.cluster.errors import CommandFailed
from mlops.cluster.health import pods
from mlops.cluster.programs.kubectl import Object
from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE, Site

PREFIX = "diagnosis-"
_SECONDS = 15.0
_SHORTEST_SECRET = 8
"""Shorter values are not masked: they are words such as `minio`, which are part of many names and protect nothing."""
_LISTS = {
    "nodes.txt": ("describe", "nodes"),
    "pods.txt": ("get", "pods", "--all-namespaces", "--output=wide"),
    "pods.yaml": ("get", "pods", "--all-namespaces", "--output=yaml"),
    "workloads.txt": (
        "get",
        "deployments,statefulsets,services,persistentvolumeclaims",
        "--all-namespaces",
        "--output=wide",
    ),
    "events.txt": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}


def collect(site: Site, node_containers: list[str], now: datetime | None = None) -> Path:
    """Write all that can be read to a new folder of the store and return it; print the main lines."""
    folder = site.folder / f"{PREFIX}{(now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%S')}"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    writer = _Writer(folder, tuple(_secret_values(site)))
    writer.write("docker.txt", _output(site, ["docker", "ps", "--all"]))
    for container in node_containers:
        writer.write(f"{container}.txt", _output(site, ["docker", "logs", "--tail=300", container]))
        writer.write(f"{container}-images.txt", _output(site, ["docker", "exec", container, "crictl", "images"]))
    if site.kubectl.is_ready():
        for name, arguments in _LISTS.items():
            writer.write(name, _output(site, site.kubectl.argv(*arguments)))
        _logs(site, writer)
        _events(site, writer)
    return folder


class _Writer:
    """Writes files with the values of the cluster's Secrets masked."""

    def __init__(self, folder: Path, secrets: tuple[str, ...]) -> None:
        self.folder = folder
        self.secrets = secrets

    def clean(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(self.clean(text), encoding="utf-8")


def _logs(site: Site, writer: _Writer) -> None:
    """Describe the pods of the two namespaces that are not ready, and keep their logs."""
    described = []
    for pod in site.kubectl.items("pods", "--all-namespaces"):
        namespace, trouble = pod["metadata"]["namespace"], pods.trouble(pod)
        if trouble is None or namespace not in {KFP_NAMESPACE, NAMESPACE}:
            continue
        site.progress.log(f"  {namespace}/{trouble.pod}: {trouble.why}")
        described.append(_output(site, site.kubectl.argv("describe", "pod", trouble.pod, "--namespace", namespace)))
        logs = {container: writer.clean(_log(site, namespace, trouble.pod, container)) for container in _started(pod)}
        for container, log in logs.items():
            writer.write(f"logs/{namespace}.{trouble.pod}.{container}.txt", log)
            site.progress.log("\n".join(f"    {container} | {line}" for line in log.strip().splitlines()[-4:]))
    writer.write("describe.txt", "\n".join(described))


def _log(site: Site, namespace: str, pod: str, container: str) -> str:
    arguments = ("logs", pod, "--namespace", namespace, "--container", container, "--tail=200")
    """Return the log of a container, after the log of its previous attempt where there is one."""
    previous = _output(site, site.kubectl.argv(*arguments, "--previous"))
    log = _output(site, site.kubectl.argv(*arguments))
    return log if "not found" in previous else f"{previous}\n{log}"


def _started(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield the containers that have a log."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        if "waiting" not in container.get("state", {}) or container.get("restartCount"):
            yield container["name"]


def _events(site: Site, writer: _Writer) -> None:
    for event in site.kubectl.items(
        "events", "--all-namespaces", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"
    )[-8:]:
        about = event.get("involvedObject", {})
        site.progress.log(
            writer.clean(
                f"  {about.get('namespace', '')}/{about.get('name', '')}: "
                f"{event.get('reason', '')}: {event.get('message', '')}"
            )
        )


def _secret_values(site: Site) -> Iterator[str]:
    """Yield the values of all Secrets of the two namespaces, as text and in base64."""
    secrets: list[Object] = []
    for namespace in (KFP_NAMESPACE, NAMESPACE):
        secrets += site.kubectl.items("secrets", "--namespace", namespace)
    for secret in secrets:
        for encoded in (secret.get("data") or {}).values():
            plain = base64.b64decode(encoded).decode("utf-8", "replace")
            if len(plain) >= _SHORTEST_SECRET:
                yield from (plain, encoded)


def _output(site: Site, argv: list[str]) -> str:
    """Return what a program wrote, or why it could not be run."""
    try:
        done = site.commands.run(argv, seconds=_SECONDS, check=False)
    except CommandFailed as error:
        return str(error)
    return done.stdout + done.stderr
