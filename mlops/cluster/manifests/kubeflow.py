"""Kubeflow Pipelines' own manifests: found, rendered by kubectl, and changed for this cluster."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UsageError, did_you_mean
from mlops.cluster.errors import ClusterError
from mlops.cluster.manifests import references, workloads
from mlops.cluster.programs.commands import Commands, parsed
from mlops.cluster.programs.kubectl import Object, as_list
from mlops.cluster.settings import ClusterSettings

CLUSTER_SCOPED = "cluster-scoped-resources"
FEW_CPUS = 4
SMALL_REQUEST = "20m"
"""CPU request of KFP's containers on a small node: as shipped they request a CPU in all, and no step has room."""


@dataclass(frozen=True)
class Base:
    """The two folders (or addresses) that kubectl renders."""

    cluster_scoped: str
    environment: str
    is_remote: bool


def locate(settings: ClusterSettings) -> Base:
    """Find the two folders in what the settings name.

    Raises UsageError when a local folder does not exist, or is not `manifests/kustomize` of Kubeflow Pipelines.
    """
    place, environment = settings.manifests, settings.environment
    if _is_remote(place):
        path, mark, query = place.partition("?")
        scoped, chosen = (
            f"{path.rstrip('/')}/{folder}{mark}{query}" for folder in (CLUSTER_SCOPED, f"env/{environment}")
        )
        return Base(scoped, chosen, is_remote=True)
    given = Path(place).expanduser().absolute()
    root = next(
        (folder for folder in (given, given / "manifests" / "kustomize") if (folder / CLUSTER_SCOPED).is_dir()), None
    )
    if root is None:
        raise UsageError(
            f"MLOPS_KFP_MANIFESTS: {given} holds no {CLUSTER_SCOPED}/; "
            "name Kubeflow Pipelines' manifests/kustomize folder, or a checkout of it"
        )
    if not (root / "env" / environment).is_dir():
        known = [folder.name for folder in (root / "env").glob("*/")]
        raise UsageError(f"MLOPS_KFP_ENV: {root / 'env'} has no {environment!r}{did_you_mean(environment, known)}")
    return Base(str(root / CLUSTER_SCOPED), str(root / "env" / environment), is_remote=False)


def render(commands: Commands, target: str, seconds: float) -> list[Object]:
    """Return the objects of a kustomize folder or address; ClusterError when it cannot be rendered."""
    import yaml  # noqa: PLC0415 - `mlops --help` must not read it

    text = commands.run(["kubectl", "kustomize", target], seconds=seconds).stdout
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = [item for item in yaml.load_all(text, Loader=loader) if item]
    except yaml.YAMLError as error:
        raise ClusterError(
            f"`kubectl kustomize {target}` did not write YAML: {error}; try another version of kubectl"
        ) from error
    if not found or not all(isinstance(item, dict) and "kind" in item and "metadata" in item for item in found):
        raise ClusterError(f"`kubectl kustomize {target}` rendered no objects; name a folder with a kustomization.yaml")
    return found


@dataclass
class Manifests:
    """The cluster-scoped and the other objects of Kubeflow Pipelines, rendered once.

    Remote ones are kept in `cache`, without the data of their Secrets.
    """

    commands: Commands
    settings: ClusterSettings
    cache: Path
    seconds: float = 600.0
    _halves: tuple[list[Object], list[Object]] | None = None

    def halves(self) -> tuple[list[Object], list[Object]]:
        """Return the cluster-scoped objects and the others, with the settings' images and pull policy."""
        if self._halves is None:
            base = locate(self.settings)
            kept = self._kept(base)
            rendered = kept or (
                render(self.commands, base.cluster_scoped, self.seconds),
                render(self.commands, base.environment, self.seconds),
            )
            if base.is_remote and not kept:
                self._keep(base, rendered)
            self._halves = rendered
            for half in rendered:
                references.replace(half, self.settings.overrides)
                workloads.set_pull_policy(half, self.settings.pull_policy)
        return self._halves

    def images(self) -> list[str]:
        """Return every image that Kubeflow Pipelines names, also those that only its steps use."""
        return references.named([item for half in self.halves() for item in half])

    def needed_images(self) -> list[str]:
        """Return the images of its workloads; its configuration names one more, for pipelines of version 1."""
        return references.named([item for half in self.halves() for item in half if item["kind"] != "ConfigMap"])

    def without_secrets(self, existing: Sequence[str]) -> list[Object]:
        """Return the other objects without the Secrets that the cluster has already, so that changed keys are kept.

        Cached manifests have no data of Secrets, so they are rendered again when a Secret is missing.
        """
        wanted = [
            item for item in self.halves()[1] if item["kind"] != "Secret" or item["metadata"]["name"] not in existing
        ]
        if any(item["kind"] == "Secret" and item.get("kept") for item in wanted):
            self._file(locate(self.settings)).unlink()
            self._halves = None
            return self.without_secrets(existing)
        return wanted

    def request(self, cpus: float) -> str:
        """Return the largest CPU request of a container on a node with `cpus`; empty when there is no limit."""
        wanted = self.settings.cpu_request
        if wanted == "auto":
            return SMALL_REQUEST if cpus < FEW_CPUS else ""
        return "" if wanted == "keep" else wanted

    def _file(self, base: Base) -> Path:
        return self.cache / f"manifests-{hashlib.sha256(base.environment.encode()).hexdigest()[:12]}.json"

    def _kept(self, base: Base) -> tuple[list[Object], list[Object]] | None:
        path = self._file(base)
        found: Any = parsed(path.read_text(encoding="utf-8")) if base.is_remote and path.is_file() else None
        return (found[0]["items"], found[1]["items"]) if isinstance(found, list) and len(found) == 2 else None

    def _keep(self, base: Base, halves: tuple[list[Object], list[Object]]) -> None:
        bare = [[_bare(item) if item["kind"] == "Secret" else item for item in half] for half in halves]
        self.cache.mkdir(parents=True, exist_ok=True)
        self._file(base).write_text(f"[{as_list(bare[0])}, {as_list(bare[1])}]", encoding="utf-8")


def _bare(secret: Object) -> Object:
    return {"apiVersion": secret["apiVersion"], "kind": "Secret", "metadata": secret["metadata"], "kept": True}


def _is_remote(place: str) -> bool:
    return "://" in place or place.startswith(("github.com/", "git@"))
