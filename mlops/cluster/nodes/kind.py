"""The kind cluster itself: creates it, uses it as it is, or starts it again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.manifests.workloads import NODE_PORTS, amount
from mlops.cluster.programs.commands import Commands, parsed
from mlops.cluster.programs.deadline import Deadline
from mlops.cluster.programs.tools import version_numbers
from mlops.cluster.settings import ClusterSettings
from mlops.cluster.site import Site

LABEL = "ml-in-production/made-by"
"""Label of the nodes of a cluster that this program made: only such a cluster is deleted."""
REPOSITORY = "kindest/node"


def clusters(commands: Commands) -> list[str]:
    """Return the names of all kind clusters; CommandFailed when kind cannot list them."""
    return commands.run(["kind", "get", "clusters"]).stdout.split()


def nodes(commands: Commands, name: str) -> list[str]:
    """Return the containers that are a cluster's nodes."""
    return commands.run(["kind", "get", "nodes", "--name", name]).stdout.split()


def ensure(site: Site, deadline: Deadline) -> None:
    """Make sure that the cluster runs with every node ready: create it, use it as it is, or start it again.

    A cluster whose creation was interrupted is created again. Raises ClusterError for one that does not become ready.
    """
    name, marker = site.settings.name, making(site)
    exists = name in clusters(site.commands)
    if exists and marker.exists() and not _is_complete(site):
        site.progress.log(f"      the creation of {name} was interrupted: creating it again")
        site.commands.run(["kind", "delete", "cluster", "--name", name], seconds=120)
        exists = False
    if not exists:
        _create(site, deadline)
    else:
        _start(site)
        _add_to_kubeconfig(site)
        site.progress.log(f"      {name} exists: using it as it is")
    _wait(site, deadline)
    marker.unlink(missing_ok=True)


def making(site: Site) -> Path:
    """Return the marker file that exists while the cluster is being created, and after an interruption."""
    return site.folder / f"{site.settings.name}.making"


def node_image(settings: ClusterSettings, commands: Commands) -> str:
    """Return the node's image: as set, else the newest of the local Docker, else empty for kind's default."""
    if settings.node_image:
        return settings.node_image
    listed = commands.output(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY])
    versions = {
        version_numbers(line.rpartition(":")[2]): line for line in listed.split() if line.startswith(f"{REPOSITORY}:v")
    }
    return versions[max(versions)] if versions else ""


def configuration(settings: ClusterSettings) -> dict[str, Any]:
    """Return kind's configuration: one node, with its service ports on this machine's loopback address only."""
    ports = {settings.ui_port: NODE_PORTS["ml-pipeline-ui"], settings.server_port: NODE_PORTS["model-server"]}
    mappings = [
        {"hostPort": host, "containerPort": node, "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for host, node in ports.items()
        if host
    ]
    node = {"role": "control-plane", "labels": {LABEL: "mlops"}, "extraPortMappings": mappings}
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}


def cpus(node_list: Sequence[Mapping[str, Any]]) -> float:
    """Return the CPUs that nodes have for pods."""
    return sum(amount(node["status"]["allocatable"]["cpu"]) for node in node_list)


def is_ours(node_list: Sequence[Mapping[str, Any]]) -> bool:
    """Whether this program made the cluster of these nodes."""
    return any(LABEL in node["metadata"].get("labels", {}) for node in node_list)


def published(commands: Commands, name: str) -> dict[str, str]:
    """Return service -> its address on this machine, for the services that have one."""
    found = {}
    for container in nodes(commands, name):
        found_ports = parsed(
            commands.output(["docker", "inspect", "--format", "{{json .NetworkSettings.Ports}}", container])
        )
        for service, port in NODE_PORTS.items():
            bindings = (found_ports or {}).get(f"{port}/tcp") or []
            if bindings:
                found[service] = f"http://{bindings[0]['HostIp']}:{bindings[0]['HostPort']}"
    return found


def _create(site: Site, deadline: Deadline) -> None:
    marker, settings = making(site), site.settings
    image = node_image(settings, site.commands)
    site.progress.log(
        f"      creating {settings.name} from {image or 'the default node image of kind, pulled if it is not here'}"
    )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text("", encoding="utf-8")
    create = ["kind", "create", "cluster", "--name", settings.name, "--config=-"]
    create += ["--image", image] if image else []
    site.commands.run(
        create, stdin=json.dumps(configuration(settings)), seconds=deadline.left(), on_line=site.progress.waiting
    )


def _is_complete(site: Site) -> bool:
    """Whether an interrupted creation had finished."""
    return site.kubectl.is_ready() and bool(site.kubectl.items("nodes"))


def _start(site: Site) -> None:
    """Start node containers that were stopped, by a reboot for example."""
    for container in nodes(site.commands, site.settings.name):
        state = site.commands.output(["docker", "inspect", "--format", "{{.State.Status}}", container])
        if state in {"exited", "created"}:
            site.progress.log(f"      node {container} is {state}: starting it")
            site.commands.run(["docker", "start", container], seconds=60)
        elif state == "paused":
            site.progress.log(f"      node {container} is paused: unpausing it")
            site.commands.run(["docker", "unpause", container], seconds=60)


def _add_to_kubeconfig(site: Site) -> None:
    """Add the cluster to the kubeconfig when it is missing, as when KUBECONFIG was different at its creation."""
    known = site.commands.output(["kubectl", "config", "get-contexts", "--output=name"]).split()
    if site.settings.context not in known:
        site.commands.run(["kind", "export", "kubeconfig", "--name", site.settings.name])


def _wait(site: Site, deadline: Deadline) -> None:
    name = site.settings.name
    try:
        for _ in deadline.rounds():
            found = site.kubectl.items("nodes")
            waiting = [node["metadata"]["name"] for node in found if not _is_node_ready(node)]
            if found and not waiting:
                return
            site.progress.waiting(f"waiting for {', '.join(waiting) or 'the API server'}")
    except CommandFailed:
        raise
    except ClusterError as error:
        raise ClusterError(
            f"cluster {name} does not become ready: {error}; see `docker logs {name}-control-plane`. "
            f"If nothing in it is worth keeping: kind delete cluster --name {name}, then `mlops cluster up`"
        ) from error


def _is_node_ready(node: Mapping[str, Any]) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in node["status"].get("conditions", [])
    )
