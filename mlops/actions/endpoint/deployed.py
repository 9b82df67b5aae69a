"""The deployed models of an endpoint, and the one that a version of our registry is to be."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.backends.pointer import Pointer
from mlops.worlds.vertex.deployment import ServingSettings
from mlops.worlds.vertex.model_spec import Mirrored

_SHOWN = re.compile(r"v([1-9][0-9]{0,18})@([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class Deployed:
    """A deployed model."""

    id: str
    name: str
    """As it is shown in the console."""
    percent: int
    """Its share of the traffic."""
    machine: str
    min_replicas: int
    max_replicas: int
    available: int | None
    """Replicas that are healthy; None where the service does not say."""
    account: str
    created: str

    @property
    def pointer(self) -> Pointer | None:
        """The version of our registry that it is; None for one that somebody else deployed."""
        found = _SHOWN.fullmatch(self.name)
        return Pointer(int(found[1]), f"sha256:{found[2]}") if found else None


def deployed_models(endpoint: Any) -> list[Deployed]:
    """Return the deployed models of an endpoint, as the service answers it."""
    return [_read(one, int(endpoint.traffic_split.get(one.id, 0))) for one in endpoint.deployed_models]


def of_version(models: Iterable[Deployed], pointer: Pointer | None) -> list[Deployed]:
    """Return those that are a version, the one with the most traffic first."""
    return sorted((one for one in models if pointer and one.pointer == pointer), key=lambda one: -one.percent)


def shown_name(pointer: Pointer) -> str:
    """Return the name of a deployed model, which says what it is."""
    return f"v{pointer.version}@{pointer.digest.removeprefix('sha256:')}"


def wanted(pointer: Pointer, mirrored: Mirrored, settings: ServingSettings) -> dict[str, Any]:
    """Return the deployed model that a version is to be, in the JSON of the interface.

    Its id follows from all of it, so that a repeated call cannot make two.
    """
    machine: dict[str, Any] = {"machineType": settings.machine}
    if settings.accelerator:
        machine |= {"acceleratorType": settings.accelerator, "acceleratorCount": settings.accelerators}
    found = {
        "displayName": shown_name(pointer),
        "model": mirrored.name,
        "serviceAccount": settings.service_account,
        "dedicatedResources": {
            "machineSpec": machine,
            "minReplicaCount": settings.min_replicas,
            "maxReplicaCount": settings.max_replicas,
            "autoscalingMetricSpecs": [
                {
                    "metricName": "aiplatform.googleapis.com/prediction/online/cpu/utilization",
                    "target": settings.cpu_percent,
                }
            ],
        },
    }
    return {"id": _identity(found), **found}


def _identity(deployed: Mapping[str, Any]) -> str:
    """Return ten digits, the form of such an id."""
    key = hashlib.sha256(json.dumps(deployed, sort_keys=True).encode()).hexdigest()
    return str(int(key, 16) % 9_000_000_000 + 1_000_000_000)


def _read(one: Any, percent: int) -> Deployed:
    resources = one.dedicated_resources
    status = one.status
    return Deployed(
        id=one.id,
        name=one.display_name,
        percent=percent,
        machine=resources.machine_spec.machine_type,
        min_replicas=resources.min_replica_count,
        max_replicas=resources.max_replica_count,
        available=status.available_replica_count if status.last_update_time else None,
        account=one.service_account,
        created=one.create_time.isoformat() if one.create_time else "",
    )
