"""Brings the local cluster up, step by step; a second call changes nothing, or continues after an interruption."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.durable import locked
from core.errors import MlopsError, RegistryError
from core.finding import Finding
from mlops.cluster.access import credentials
from mlops.cluster.errors import ClusterError
from mlops.cluster.health import diagnosis, rollout
from mlops.cluster.lifecycle import preflight
from mlops.cluster.manifests import kubeflow as manifests
from mlops.cluster.manifests import references, workloads
from mlops.cluster.nodes import images as node_images
from mlops.cluster.nodes import kind
from mlops.cluster.programs.deadline import Deadline
from mlops.cluster.programs.kubectl import Object
from mlops.cluster.site import KFP_NAMESPACE, Site, scratch

AGAIN = "call `mlops cluster up` again: finished steps are not repeated"


@dataclass(frozen=True)
class Step:
    """One step of bringing the cluster up."""

    name: str
    do: Callable[[Site, Deadline], None]
    deadline: str
    """Field of `Deadlines`."""
    fix: str
    """What a person does when it fails."""


@dataclass
class Summary:
    """A cluster that is up."""

    cluster: str
    seconds: dict[str, float] = field(default_factory=dict)
    """Step -> its duration."""
    urls: dict[str, str] = field(default_factory=dict)
    """Service -> address on this machine."""


class NotReady(ClusterError):
    """The cluster cannot be brought up on this machine; `checks` are all findings."""

    def __init__(self, message: str, checks: Sequence[Finding]) -> None:
        super().__init__(message)
        self.checks = checks


def up(site: Site) -> Summary:
    """Check the machine, then run every step.

    Raises NotReady before anything is changed, ClusterError with the failed step, its deadline and the next step.
    """
    site.folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(site.folder / f"{site.settings.name}.lock", wait_seconds=0), scratch(site):
            require(preflight.examine(site), site)
            return _steps(site)
    except RegistryError as error:
        raise ClusterError(f"another `mlops cluster` is working on {site.settings.name}; wait until it ends") from error


def require(checks: Sequence[Finding], site: Site) -> None:
    """Raise NotReady when a required check failed; print the other failed ones as notes."""
    for check in checks:
        if not check.ok and not check.required:
            site.progress.log(f"note: {check.name}: {check.found} -> {check.fix}")
    broken = [check for check in checks if check.required and not check.ok]
    if broken:
        listed = "\n".join(f"  {check.name}: {check.found}\n    -> {check.fix}" for check in broken)
        raise NotReady(f"{len(broken)} of {len(checks)} checks need a fix; nothing was changed\n{listed}", checks)


def _steps(site: Site) -> Summary:
    summary = Summary(site.settings.name)
    for number, step in enumerate(STEPS, 1):
        site.progress.step(f"[{number}/{len(STEPS)}] {step.name}")
        began = time.monotonic()
        _take(site, step)
        summary.seconds[step.name] = round(time.monotonic() - began, 1)
        site.progress.log(f"      done in {summary.seconds[step.name]} s")
    summary.urls = kind.published(site.commands, site.settings.name)
    return summary


def _take(site: Site, step: Step) -> None:
    deadline = Deadline(getattr(site.settings.deadlines, step.deadline), f"MLOPS_DEADLINE_{step.deadline.upper()}")
    try:
        step.do(site, deadline)
    except KeyboardInterrupt:
        site.progress.log(f"stopped at the step '{step.name}'; {AGAIN}")
        raise
    except MlopsError as error:
        site.progress.log(f"the step '{step.name}' failed; the state of the cluster:")
        nodes = site.commands.output(["kind", "get", "nodes", "--name", site.settings.name]).split()
        folder = diagnosis.collect(site, nodes)
        raise ClusterError(
            f"the step '{step.name}' failed (its deadline is {deadline}): {error}\n"
            f"states, events and logs are in {folder}\nnext: {step.fix}; then {AGAIN}"
        ) from error


def _cluster(site: Site, deadline: Deadline) -> None:
    kind.ensure(site, deadline)


def _kfp_images(site: Site, deadline: Deadline) -> None:
    left = node_images.load(site, site.manifests.images(), deadline)
    _report_pulls(site, [name for name in left if name in site.manifests.needed_images()])


def _kfp(site: Site, deadline: Deadline) -> None:
    """Apply Kubeflow Pipelines: first the cluster-scoped objects, and once their kinds are known, the others."""
    scoped = site.manifests.halves()[0]
    is_new = site.kubectl.apply(scoped, deadline.left())
    definitions = [f"crd/{item['metadata']['name']}" for item in scoped if item["kind"] == "CustomResourceDefinition"]
    if definitions:
        site.kubectl.run(
            "wait",
            "--for=condition=Established",
            f"--timeout={round(deadline.left())}s",
            *definitions,
            seconds=deadline.left() + 5,
        )
    objects = _kfp_objects(site)
    is_new |= site.kubectl.apply(objects, deadline.left())
    site.progress.log("      applied" if is_new else "      up to date: nothing to apply")
    rollout.wait(site, objects, deadline)


def _kfp_objects(site: Site) -> list[Object]:
    existing = [secret["metadata"]["name"] for secret in site.kubectl.items("secrets", "--namespace", KFP_NAMESPACE)]
    objects = site.manifests.without_secrets(existing)
    cpus = kind.cpus(site.kubectl.items("nodes"))
    if most := site.manifests.request(cpus):
        site.progress.log(
            f"      the node has {cpus:g} CPUs: "
            f"no container of Kubeflow Pipelines reserves more than {most} (MLOPS_KFP_CPU_REQUEST)"
        )
        workloads.cap_cpu_requests(objects, most)
    workloads.expose(objects, "ml-pipeline-ui")
    return objects


def _project_images(site: Site, deadline: Deadline) -> None:
    """Build and load this project's images that the node lacks; one that is overridden is not built."""
    wanted = {name: references.replaced(name, site.settings.overrides) for name in site.images().references()}
    own = {name: reference for name, reference in site.images().references().items() if wanted[name] == name}
    present = node_images.on_nodes(site.commands, kind.nodes(site.commands, site.settings.name))
    lacking = [name for name, reference in own.items() if references.full(reference) not in present]
    if lacking:
        site.images().build(lacking, lambda text: site.progress.log(f"      {text}"), seconds=deadline.left())
    left = node_images.load(site, [own.get(name, other) for name, other in wanted.items()], deadline)
    if lost := set(left) & set(own.values()):
        raise ClusterError(
            f"{', '.join(sorted(lost))} was built but is not in the local Docker any more; "
            "find out what removes images there, and call `mlops cluster up` again"
        )
    _report_pulls(site, left)


def _server(site: Site, deadline: Deadline) -> None:
    """Apply this project's own manifests, with the Secrets that they name beside them."""
    objects = overlay(site)
    spaces = [item for item in objects if item["kind"] == "Namespace"]
    is_new = bool(spaces) and site.kubectl.apply(spaces, deadline.left())
    is_new |= credentials.copy(site.kubectl)
    is_new |= credentials.share_trigger_secret(site.kubectl)
    is_new |= site.kubectl.apply(objects, deadline.left())
    site.progress.log("      applied" if is_new else "      up to date: nothing to apply")
    if not rollout.wait(site, objects, deadline, enough="running"):
        site.progress.log("      the model server runs; it will be ready when a first model is in production")


def overlay(site: Site) -> list[Object]:
    """Render this project's manifests with the images and sizes of this cluster."""
    objects = manifests.render(site.commands, str(site.overlay), 60)
    if not site.settings.has_policies:
        objects = [item for item in objects if item["kind"] != "NetworkPolicy"]
    references.replace(objects, {**site.images().references(), **site.settings.overrides})
    workloads.set_pull_policy(objects, site.settings.pull_policy)
    workloads.set_resources(objects, "model-server", site.settings.server_cpu, site.settings.server_memory)
    return objects


def _report_pulls(site: Site, names: Sequence[Any]) -> None:
    if names:
        site.progress.log(f"      the cluster pulls {', '.join(names)}")


STEPS = (
    Step(
        "kind cluster",
        _cluster,
        "kind",
        "see `docker ps --all` and `docker logs`; where the node's image cannot be pulled, set MLOPS_KIND_NODE_IMAGE",
    ),
    Step(
        "images of Kubeflow Pipelines",
        _kfp_images,
        "load",
        "free disk where Docker keeps its data, or name other images with MLOPS_IMAGE_OVERRIDES",
    ),
    Step(
        "Kubeflow Pipelines", _kfp, "kfp", "fix what is named above, or give it more time with MLOPS_DEADLINE_KFP=20m"
    ),
    Step(
        "images of this project",
        _project_images,
        "images",
        "fix what is named above; `mlops images build` builds alone",
    ),
    Step(
        "model server",
        _server,
        "server",
        "fix what is named above; `kubectl kustomize kustomize/overlays/kind` shows what is applied",
    ),
)
