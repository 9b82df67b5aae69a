"""The laptop world with every step in its own image: what a container sees of this machine, and what it may do."""

from pathlib import Path

import localrun
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
"""Every step runs with these: no capability, no network, and nothing to write to but its outputs and /tmp."""


def containers(words: str, source: str, store: Store) -> dict[str, localrun.Environment]:
    """Map every image to a hardened container of it, which sees the files of `source`, the registry and its inputs.

    `words` names the use case; of one that is no folder of this project, the containers see the folder too. Raises
    MlopsError where there is no engine, an image was not built, or data and models lie behind a network.
    """
    if store.objects:
        raise MlopsError(
            f"containers: steps have no network, but data and models lie in {store.objects}; "
            "unset MLOPS_STORE, or run on a cluster: mlops submit"
        )
    references = local_references()
    _check(list(references.values()))
    store.models.mkdir(parents=True, exist_ok=True)
    elsewhere = (Path(words),) if Path(words).is_absolute() and not Path(words).is_relative_to(ROOT) else ()
    readable = (*((_root_of(source),) if source else ()), *elsewhere)
    # One image at a time may write to the registry: the one that pushes.
    return {
        name: DockerEnvironment(
            cwd=store.root,
            image=reference,
            readable=readable if name.endswith("/data") else (*readable, store.models),
            writable=(store.models,) if name.endswith("/data") else (),
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
    """Return the folder that holds all files of a pattern."""
    return next(folder for folder in Path(source).parents if "{" not in str(folder) and "*" not in str(folder))
