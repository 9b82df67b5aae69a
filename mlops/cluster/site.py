"""What every step on the cluster needs: settings, folder, programs, manifests, images and progress."""

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
"""Where the model server runs."""
KFP_NAMESPACE = "kubeflow"
"""Where Kubeflow Pipelines and all steps run."""


class ProjectImages(Protocol):
    """This project's own images, as the cluster sees them."""

    def references(self) -> Mapping[str, str]:
        """Return bare name -> the reference that holds the sources as they are now."""

    def build(self, names: Sequence[str], say: Callable[[str], None], *, seconds: float) -> None:
        """Build those of these bare names that the local Docker lacks; MlopsError when one fails or is late."""


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
    """Looks at the sources when it is first asked: nothing else needs them, and they may change until then."""
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
    """Point TMPDIR at our folder: what killed programs leave (kind its archives) goes with the next call."""
    folder = site.folder / "tmp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    site.commands.environment["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cluster_folder(store: Store) -> Path:
    """Return the folder of a store in which everything about the local cluster lies."""
    return store.root / "cluster"
