"""What a deployment's settings need of the project's quotas at Vertex AI, and whether the project has it.

Limits come from the Service Usage API. They are compared with the largest step of one run, and with all replicas that
endpoints may have; what the project uses at this moment does not count.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.errors import MlopsError
from core.finding import Finding
from mlops.worlds.vertex.deployment import Deployment, ServingSettings, StepSettings
from mlops.worlds.vertex.rest import Rest

PERMISSION = "serviceusage.quotas.get"
"""What it takes to read limits."""
_SERVICE = "aiplatform.googleapis.com"
_DEFAULT_CPUS = 4
"""CPUs of the machine of a step whose CPUs are not set."""
_MACHINE_CPUS = (4, 8, 16, 32, 64, 96)
_GB_PER_CPU = 8
"""Most memory per CPU among the general machine types."""
_GENERAL = frozenset({"e2", "n1"})
"""Families of machine types with one quota of CPUs in common; each other family has its own."""
_FAMILIES = {"NVIDIA_L4": "g2", "NVIDIA_TESLA_A100": "a2", "NVIDIA_A100_80GB": "a2", "NVIDIA_H100_80GB": "a3"}
"""Accelerator -> family of the only machine types that have it; accelerators with TESLA in their name come with n1."""
_IRREGULAR = {"NVIDIA_H100_80GB": "nvidia_h100_gpus", "TPU_V5_LITEPOD": "tpu_v5e"}
"""Accelerators whose quota's name does not follow from theirs."""
_FORBIDDEN, _NOT_FOUND = 403, 404


@dataclass(frozen=True)
class Demand:
    """An amount of one quota that the settings need."""

    metric: str
    amount: int
    reason: str
    """Which settings need it, for people."""


def examine(deployment: Deployment, rest: Rest) -> Iterator[Finding]:
    """Compare each quota that the settings need with the project's limit; a limit that cannot be read is undecided."""
    for demand in demands(deployment):
        try:
            limit = _limit(rest, deployment, demand.metric)
        except MlopsError as error:
            code = getattr(error.__cause__, "code", None)
            if code == _FORBIDDEN:
                fix = f"grant {PERMISSION}: the duty deploy (Terraform: module identity, permissions.yaml)"
                yield Finding("quotas", False, f"undecided, because they cannot be read: {error}", fix)
                return
            yield _undecided(demand, deployment, str(error), required=code != _NOT_FOUND)
            continue
        if limit is None:
            yield _undecided(demand, deployment, f"no limit for {deployment.region} in the answer", required=True)
        else:
            yield _compared(demand, deployment, limit)


def demands(deployment: Deployment) -> list[Demand]:
    """Return the quotas that the settings need, each once."""
    found = [Demand("custom_model_training_cpus", _DEFAULT_CPUS, "a step without settings")]
    for stage, settings in deployment.steps.items():
        found += _of_step(stage, settings)
    if deployment.serving is not None:
        found += _of_serving(deployment.serving)
    largest: dict[str, Demand] = {}
    for demand in found:
        if demand.metric not in largest or demand.amount > largest[demand.metric].amount:
            largest[demand.metric] = demand
    return list(largest.values())


def _of_step(stage: str, settings: StepSettings) -> Iterator[Demand]:
    least = max(settings.cpu or 0, (settings.memory_gb or 0) / _GB_PER_CPU)
    cpus = next((size for size in _MACHINE_CPUS if size >= least), _MACHINE_CPUS[-1])
    accelerator = settings.accelerator or ""
    general = not accelerator or "_TESLA_" in accelerator
    if family := _FAMILIES.get(accelerator, "n1" if general else ""):
        yield Demand(_cpus("training", family), cpus, f"steps.{stage}")
    if accelerator:
        yield Demand(_accelerators("training", accelerator), settings.accelerators, f"steps.{stage}")


def _of_serving(settings: ServingSettings) -> Iterator[Demand]:
    """Yield what all replicas need; a canary's version has as many as the one in production."""
    replicas = 2 * settings.max_replicas * len(settings.endpoints)
    reason = f"serving: 2 versions x max_replicas {settings.max_replicas} x endpoints {len(settings.endpoints)}"
    family = settings.machine.partition("-")[0]
    if match := re.search(r"-(\d+)$", settings.machine):  # others are named by their accelerators
        yield Demand(_cpus("serving", family), replicas * int(match[1]), f"{reason} x {settings.machine}")
    if settings.accelerator:
        amount = replicas * settings.accelerators
        yield Demand(_accelerators("serving", settings.accelerator), amount, f"{reason} x {settings.accelerators}")


def _cpus(use: str, family: str) -> str:
    return f"custom_model_{use}_cpus" if family in _GENERAL else f"custom_model_{use}_{family}_cpus"


def _accelerators(use: str, accelerator: str) -> str:
    regular = accelerator.lower().replace("nvidia_tesla_", "nvidia_")
    regular += "_gpus" if regular.startswith("nvidia_") else ""
    return f"custom_model_{use}_{_IRREGULAR.get(accelerator, regular)}"


def _limit(rest: Rest, deployment: Deployment, metric: str) -> float | None:
    """Return the project's limit in the region, infinite where there is none; None for an answer without one."""
    path = f"/v1beta1/projects/{deployment.project}/services/{_SERVICE}/consumerQuotaMetrics/{_SERVICE}%2F{metric}"
    answer = rest.ask("GET", "serviceusage", path)
    limits = [
        _of_region(one.get("quotaBuckets", []), deployment.region)
        for one in answer.get("consumerQuotaLimits", [])
        if one.get("unit") in {"1/{project}", "1/{project}/{region}"}
    ]
    return min((limit for limit in limits if limit is not None), default=None)


def _of_region(buckets: list[dict[str, Any]], region: str) -> float | None:
    """Return the limit of a region: its own, or else the one that all regions without their own have."""
    by_region = {bucket.get("dimensions", {}).get("region", ""): bucket for bucket in buckets}
    bucket = by_region.get(region, by_region.get(""))
    if bucket is None:
        return None
    limit = int(bucket.get("effectiveLimit", 0))  # JSON of Google's leaves zeros out
    return math.inf if limit < 0 else limit


def _compared(demand: Demand, deployment: Deployment, limit: float) -> Finding:
    ok = limit >= demand.amount
    got = "no limit" if math.isinf(limit) else f"{limit:.0f}"
    found = f"{demand.metric} in {deployment.region}: wanted {demand.amount} ({demand.reason}), got {got}"
    fix = f"raise it to {demand.amount} or more: {_page(demand, deployment)} (or ask for less: {_setting(demand)})"
    return Finding(_name(demand), ok, found, "" if ok else fix)


def _undecided(demand: Demand, deployment: Deployment, reason: str, *, required: bool) -> Finding:
    wanted = f"{demand.metric} in {deployment.region}: wanted {demand.amount} ({demand.reason})"
    fix = f"compare it yourself: {_page(demand, deployment)}"
    return Finding(_name(demand), False, f"undecided, {wanted}, got {reason}", fix, required=required)


def _name(demand: Demand) -> str:
    return f"quota {demand.metric.removeprefix('custom_model_')}"


def _setting(demand: Demand) -> str:
    return demand.reason.partition(":")[0]


def _page(demand: Demand, deployment: Deployment) -> str:
    address = "https://console.cloud.google.com/iam-admin/quotas"
    return f"{address}?project={deployment.project}&metric={_SERVICE}%2F{demand.metric}"
