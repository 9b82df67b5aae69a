"""The contract of a container behind a Vertex AI endpoint: port, paths and model are variables that the service sets.

The service copies the folder of the model's version to a bucket of its own. What is served is checked against the
version's manifest, and against the digest that the deployment named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from core import objects
from core.backends.local_registry import LocalRegistry
from core.backends.object_registry import fetch_copy
from core.backends.registry import ModelVersion
from core.errors import CorruptArtifact, UsageError
from serving.http.paths import ROOT

BODY_BYTES = 1_500_000
"""Largest request and answer that the service passes on; a dedicated endpoint takes 10 MB."""
READY = "/readyz"
_PATH = re.compile(r"/[A-Za-z0-9._~:/-]+", re.ASCII)


@dataclass(frozen=True)
class Contract:
    """What the service says to the container."""

    port: int
    health_route: str
    predict_route: str
    storage: str
    """Address of the copied version."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; UsageError names one that is missing or cannot be used."""
        found = {name: environment.get(f"AIP_{name}", "") for name in ("HTTP_PORT", "HEALTH_ROUTE", "PREDICT_ROUTE")}
        port = found["HTTP_PORT"] or "8080"
        if not re.fullmatch(r"[1-9][0-9]{0,4}", port, re.ASCII) or int(port) > 65535:
            raise UsageError(f"AIP_HTTP_PORT: wanted a port, got {port!r}")
        for name in ("HEALTH_ROUTE", "PREDICT_ROUTE"):
            if not _PATH.fullmatch(found[name]):
                raise UsageError(
                    f"AIP_{name}: wanted a path such as /health, got {found[name]!r}; Vertex AI sets it, and outside "
                    "of it `mlops serve USECASE` needs none of these variables"
                )
        if found["HEALTH_ROUTE"] == found["PREDICT_ROUTE"]:
            raise UsageError(f"AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE: wanted two paths, got {found['HEALTH_ROUTE']!r}")
        storage = environment.get("AIP_STORAGE_URI", "")
        if not objects.is_address(storage):
            raise UsageError(
                f"AIP_STORAGE_URI: wanted the address of a model version, such as gs://bucket/folder, got {storage!r}; "
                "upload the model with its artifact folder: mlops models sync --to vertex"
            )
        return cls(int(port), found["HEALTH_ROUTE"], found["PREDICT_ROUTE"], objects.checked(storage))

    def routes(self, model: str) -> dict[str, str]:
        """Return the service's paths, and the path of this server that each stands for."""
        return {self.health_route: READY, self.predict_route: f"{ROOT}/{model}:predict"}


def fetch(contract: Contract, folder: Path, digest: str = "") -> ModelVersion:
    """Copy the version into a registry in a folder, where it is in production, after checking every byte.

    Raises CorruptArtifact when it is not what its manifest, or the digest that is given, says.
    """
    manifest = fetch_copy(contract.storage, folder)
    if digest and manifest.digest != digest:
        raise CorruptArtifact(
            f"{contract.storage}: wanted {digest}, got {manifest.digest} ({manifest.name} version {manifest.version}); "
            "deploy the version again: mlops endpoint deploy"
        )
    return LocalRegistry(folder).promote(manifest.name, manifest.version)
