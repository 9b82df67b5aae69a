"""What is kept when the cluster does not come up: states, events and logs in a folder, the main lines on the screen."""

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops.cluster.errors import CommandFailed
from mlops.cluster.health import pods
from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE, Site

PREFIX = "diagnosis-"
_SECONDS = 15.0
_SHORTEST_SECRET = 8
"""A shorter value is a word such as `minio`, part of many names, and protects nothing."""
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
    """Write all that can be read into a new folder of the store, and the main lines to the screen; skips the rest."""
    folder = site.folder / f"{PREFIX}{(now or datetime.now(UTC)).strftime('%Y%m%dT%H%M%S')}"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    writer = _Writer(folder, tuple(_secret_values(site)))
    writer.write("docker.txt", _output(site, ["docker", "ps", "--all"]))
    for container in node_containers:
        writer.write(f"{container}.txt", _output(site, ["docker", "logs", "--tail=300", container]))
        writer.write(f"{container}-images.txt", _output(site, ["docker", "exec", container, "crictl", "images"]))
    if site.kubectl.is_ready():
        for name, words in _LISTS.items():
            writer.write(name, _output(site, site.kubectl.argv(*words)))
        _logs(site, writer)
        _events(site, writer)
    return folder


class _Writer:
    """Writes files without the value of any Secret of the cluster."""

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
    """Describe what is not well in the two namespaces and keep its logs."""
    described = []
    for pod in site.kubectl.items("pods", "--all-namespaces"):
        namespace, trouble = pod["metadata"]["namespace"], pods.trouble(pod)
        if trouble is None or namespace not in {KFP_NAMESPACE, NAMESPACE}:
            continue
        site.progress.say(f"  {namespace}/{trouble.pod}: {trouble.why}")
        described.append(_output(site, site.kubectl.argv("describe", "pod", trouble.pod, "--namespace", namespace)))
        logs = {container: writer.clean(_log(site, namespace, trouble.pod, container)) for container in _started(pod)}
        for container, log in logs.items():
            writer.write(f"logs/{namespace}.{trouble.pod}.{container}.txt", log)
            site.progress.say("\n".join(f"    {container} | {line}" for line in log.strip().splitlines()[-4:]))
    writer.write("describe.txt", "\n".join(described))


def _log(site: Site, namespace: str, pod: str, container: str) -> str:
    words = ("logs", pod, "--namespace", namespace, "--container", container, "--tail=200")
    before = _output(site, site.kubectl.argv(*words, "--previous"))
    return (
        f"{before}\n{_output(site, site.kubectl.argv(*words))}"
        if "not found" not in before
        else _output(site, site.kubectl.argv(*words))
    )


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
        site.progress.say(
            writer.clean(
                f"  {about.get('namespace', '')}/{about.get('name', '')}: "
                f"{event.get('reason', '')}: {event.get('message', '')}"
            )
        )


def _secret_values(site: Site) -> Iterator[str]:
    """Yield the values of all Secrets of the two namespaces, as they are and as they are written."""
    secrets = [
        item
        for namespace in (KFP_NAMESPACE, NAMESPACE)
        for item in site.kubectl.items("secrets", "--namespace", namespace)
    ]
    for written in (value for secret in secrets for value in (secret.get("data") or {}).values()):
        plain = base64.b64decode(written).decode("utf-8", "replace")
        if len(plain) >= _SHORTEST_SECRET:
            yield from (plain, written)


def _output(site: Site, argv: list[str]) -> str:
    """Return what a program wrote, or why it wrote nothing."""
    try:
        done = site.commands.run(argv, seconds=_SECONDS, check=False)
    except CommandFailed as error:
        return str(error)
    return done.stdout + done.stderr
