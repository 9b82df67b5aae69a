"""One cluster with what the steps on it use: settings, folder, programs, manifests, images and progress."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.store import Store
from core.user_code import ROOT
from mlops.cluster.manifests.kubeflow import Manifests
from mlops.cluster.programs.commands import Commands
from mlops.cluster.programs.kubectl import Kubectl
from mlops.cluster.progress import Progress
from mlops.cluster.settings import ClusterSettings, read

NAMESPACE = "ml-in-production"
"""Namespace of the model server."""
KFP_NAMESPACE = "kubeflow"
"""Namespace of Kubeflow Pipelines and of all steps."""


class ProjectImages(Protocol):
    """This project's own images, as the cluster sees them."""

    def references(self) -> Mapping[str, str]:
        """Return bare name -> reference of the image with the present sources."""

    def build(self, names: Sequence[str], log: Callable[[str], None], *, seconds: float) -> None:
        """Build the images of these bare names that the local Docker lacks; MlopsError when one fails or is late."""


@dataclass(frozen=True)
class Site:
    """One cluster, and the tools to work on it."""

    settings: ClusterSettings
    folder: Path
    commands: Commands
    kubectl: Kubectl
    manifests: Manifests
    progress: Progress
    images: Callable[[], ProjectImages]
    """Called when images are first needed: it reads the sources, which may change until then."""
    overlay: Path = ROOT / "kustomize" / "overlays" / "kind"

    @classmethod
    def of(cls, environment: Mapping[str, str], images: Callable[[], ProjectImages], progress: Progress) -> "Site":
        """Read the settings of an environment; UsageError names the variable whose value cannot be used."""
        settings = read(environment)
        commands = Commands(environment)
        folder = cluster_folder(Store.of(environment))
        return cls(
            settings,
            folder,
            commands,
            Kubectl(commands, settings.context),
            Manifests(commands, settings, folder),
            progress,
            images,
        )


@contextmanager
def scratch(site: Site) -> Iterator[None]:
    """Set TMPDIR below the cluster's folder, so that the next call removes what killed programs left there."""
    folder = site.folder / "tmp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    site.commands.environment["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cluster_folder(store: Store) -> Path:
    """Return the folder of a store for everything about the local cluster."""
    return store.root / "cluster"
