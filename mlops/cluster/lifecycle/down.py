"""Deletes the local cluster and everything else that `up` made, but nothing that existed before."""

import shutil
from collections.abc import Sequence

from core.durable import locked
from core.errors import RegistryError
from core.images import PREFIX
from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.lifecycle import up
from mlops.cluster.nodes import kind
from mlops.cluster.programs.kubectl import Object, as_list
from mlops.cluster.site import NAMESPACE, Site

NETWORK = "kind"


def down(site: Site, *, images: bool = False) -> list[str]:
    """Remove what `up` made, and return a line for each thing that was removed; a second call removes nothing.

    With `images`, this project's images are removed too. Raises ClusterError when something cannot be removed.
    """
    site.folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(site.folder / f"{site.settings.name}.lock", wait_seconds=0):
            removed = _cluster(site)
            removed += _project_images(site) if images else []
            removed += _folder(site)
    except RegistryError as error:
        raise ClusterError(
            f"another `mlops cluster` is working on {site.settings.name}; wait until it ends, or end it"
        ) from error
    return removed


def _cluster(site: Site) -> list[str]:
    name = site.settings.name
    if name not in kind.clusters(site.commands):
        return []
    if not kind.making(site).exists() and (found := site.kubectl.items("nodes")) and not kind.is_ours(found):
        return _contents(site)
    site.progress.waiting(f"deleting cluster {name}")
    site.commands.run(["kind", "delete", "cluster", "--name", name], seconds=180)
    removed = [f"kind cluster {name} and its context {site.settings.context} in the kubeconfig"]
    if (
        not kind.clusters(site.commands)
        and site.commands.run(["docker", "network", "rm", NETWORK], check=False).code == 0
    ):
        removed.append(f"Docker network {NETWORK}, which no cluster used any more")
    return removed


def _contents(site: Site) -> list[str]:
    """Delete what `up` put into a cluster that it did not make."""
    scoped, others = site.manifests.halves()
    mine = up.overlay(site) if (site.overlay / "kustomization.yaml").is_file() else []
    for objects in (mine, others, scoped):
        _delete(site, objects)
    cluster = site.settings.name
    return [f"Kubeflow Pipelines and namespace {NAMESPACE} in cluster {cluster}, which existed before and is kept"]


def _delete(site: Site, objects: Sequence[Object]) -> None:
    site.progress.waiting(f"deleting {len(objects)} objects")
    arguments = ("delete", "--ignore-not-found", "--wait=true", "--timeout=180s", "--filename=-")
    if objects:
        site.kubectl.run(*arguments, stdin=as_list(objects), seconds=240)


def _project_images(site: Site) -> list[str]:
    found = site.commands.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{PREFIX}*"]
    ).stdout.split()
    if found:
        site.commands.run(["docker", "image", "rm", *found], seconds=120)
    return [f"image {name}" for name in found]


def _folder(site: Site) -> list[str]:
    """Remove the cluster's folder in the store, with its lock, which is held until the end."""
    left = sorted(path.name for path in site.folder.iterdir() if not path.name.endswith(".lock"))
    try:
        shutil.rmtree(site.folder)
    except OSError as error:
        raise CommandFailed(f"{site.folder} cannot be removed: {error.strerror}") from error
    return [f"{site.folder} ({', '.join(left)})"] if left else []
