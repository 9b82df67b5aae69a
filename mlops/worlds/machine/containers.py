"""Runs every step of the laptop world in a hardened container that can read only some files of this machine."""

from pathlib import Path

import localrun
from artifacts.inference.names import INFERENCES
from core.errors import MlopsError
from core.images import local_references
from core.store import Store
from core.user_code import ROOT
from localrun.environments.docker import DockerEnvironment, has_engine, image_id

HARDENED = (
    "--read-only",
    "--tmpfs=/tmp:rw,nosuid,nodev,mode=1777",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
)
"""Options of every step's container: no capabilities, no network, and only its outputs and /tmp are writable."""


def containers(cli_name: str, source: str, store: Store) -> dict[str, localrun.Environment]:
    """Map every image to a hardened container, which can read the files of `source`, the registry and its inputs.

    `cli_name` is the name or path of the use case; a folder outside this project can be read, too. Raises MlopsError
    without a Docker engine, for an image that was not built, and when data and models are in an object store.
    """
    if store.objects:
        raise MlopsError(
            f"containers: steps have no network, but data and models lie in {store.objects}; "
            "unset MLOPS_STORE, or run on a cluster: mlops submit"
        )
    references = local_references()
    _check(list(references.values()))
    store.models.mkdir(parents=True, exist_ok=True)
    folder = Path(cli_name)
    readable = (_root_of(source),) if source else ()
    if folder.is_absolute() and not folder.is_relative_to(ROOT):
        readable = (*readable, folder)
    monitored = (store.root / folder for folder in ("predictions", "outcomes", "labels", "snapshots"))
    readable = (*readable, *(folder for folder in monitored if folder.is_dir()))
    inferences = store.root / INFERENCES
    inferences.mkdir(exist_ok=True)
    # Only the image whose steps push may write to the registry, and only infer_bulk's keeps finished shards.
    return {
        name: DockerEnvironment(
            cwd=store.root,
            image=reference,
            readable=readable if name.endswith("/data") else (*readable, store.models),
            writable=(store.models,) if name.endswith("/data") else (inferences,) if name.endswith("/tfx") else (),
            options=HARDENED,
        )
        for name, reference in references.items()
    }


def _check(references: list[str]) -> None:
    if not has_engine():
        raise MlopsError(
            "containers: no Docker engine answers; start one, set DOCKER_HOST, or run without --containers"
        )
    if missing := [reference for reference in references if not image_id(reference)]:
        raise MlopsError(f"{', '.join(missing)}: not in the local Docker; run `mlops images build` first")


def _root_of(source: str) -> Path:
    """Return the deepest folder that holds all files of a pattern."""
    return next(folder for folder in Path(source).parents if "{" not in str(folder) and "*" not in str(folder))
