"""The state of the local cluster: its nodes, its workloads, and their addresses."""

from dataclasses import dataclass, field

from mlops.cluster.health import pods, rollout
from mlops.cluster.nodes import kind
from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE, Site


@dataclass(frozen=True)
class Workload:
    """One Deployment or StatefulSet, and why it is not ready, a line per pod."""

    namespace: str
    name: str
    ready: bool
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Status:
    """The cluster's state; `ready` when a pipeline can be submitted."""

    cluster: str
    exists: bool
    answers: bool = False
    """Whether its API server answers."""
    nodes: dict[str, str] = field(default_factory=dict)
    """Name -> version of Kubernetes."""
    workloads: list[Workload] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    """Service -> address on this machine."""

    @property
    def ready(self) -> bool:
        """Whether Kubeflow Pipelines is installed and all of it is ready."""
        found = [one.ready for one in self.workloads if one.namespace == KFP_NAMESPACE]
        return bool(found) and all(found)


def status(site: Site) -> Status:
    """Read the cluster's state; changes nothing. CommandFailed when kind cannot list the clusters."""
    name = site.settings.name
    if name not in kind.clusters(site.commands):
        return Status(name, exists=False)
    if not site.kubectl.is_ready():
        return Status(name, exists=True)
    found = site.kubectl.items("nodes")
    versions = {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in found}
    everywhere = site.kubectl.items("pods", "--all-namespaces")
    workloads = []
    for namespace in (KFP_NAMESPACE, NAMESPACE):
        for item in site.kubectl.items(",".join(rollout.WORKLOADS.values()), "--namespace", namespace):
            own = [
                pod
                for pod in everywhere
                if pod["metadata"]["namespace"] == namespace
                and pods.belongs(pod, item["spec"]["selector"]["matchLabels"])
            ]
            why = [str(one) for pod in own if (one := pods.trouble(pod, everywhere, kind.cpus(found)))]
            workloads.append(Workload(namespace, item["metadata"]["name"], rollout.is_ready(item), why))
    return Status(
        name, exists=True, answers=True, nodes=versions, workloads=workloads, urls=kind.published(site.commands, name)
    )
