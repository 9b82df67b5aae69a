"""Builds a pipeline job: document 1 of a compiled file with its parameters, and a name that depends on what is pinned.

Nothing here talks to Google, so that what will be sent can be tested.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from core.errors import UsageError
from mlops.worlds.kfp_platform import disable_cache
from mlops.worlds.vertex.deployment import Deployment, StepSettings
from mlops.worlds.world import Pinned, RunRequest

DEADLINE = "mlops-deadline-seconds"
"""Label with how long a job may take: time limits of steps are in document 2, which Vertex AI does not take."""
TRIGGER = "mlops-trigger"
"""Label with the key of the decision that asked for a job."""
_LABEL = 63
"""Characters of a label's value; Google's limit."""
_ID = 128
"""Characters of a job's id."""
_HEX = 20
_BY_DIGEST = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?/[^@\s]+@sha256:[0-9a-f]{64}")
_DEFAULT_LIMIT = 24 * 3600
"""Seconds; for a pipeline whose steps have no time limit."""


def spec_of(compiled: Path, deployment: Deployment, *, cache: bool = True) -> dict[str, Any]:
    """Return document 1 as Vertex AI takes it: as compiled, but for the deployment's resources and a refused cache.

    Raises UsageError for an image that is not named by its digest, and for settings of a stage that it does not have.
    """
    spec = next(yaml.load_all(compiled.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    assert isinstance(spec, dict)
    containers = {
        label: executor["container"]
        for label, executor in spec["deploymentSpec"]["executors"].items()
        if "container" in executor
    }
    loose = sorted({one["image"] for one in containers.values() if not _BY_DIGEST.fullmatch(one["image"])})
    if loose:
        raise UsageError(
            f"{', '.join(loose)}: wanted images as registry/name@sha256:..., because Vertex AI would pull another one; "
            f"run `mlops images build`, then `mlops images push {deployment.registry}`"
        )
    for stage, settings in deployment.steps.items():
        label = f"exec-{stage.replace('_', '-')}"
        if label in containers:
            _set_resources(containers[label], settings)
    if not cache:
        disable_cache(spec)
    return spec


def job_of(spec: dict[str, Any], request: RunRequest, pinned: Pinned, deployment: Deployment) -> dict[str, Any]:
    """Return the job in the JSON of the interface, without its id."""
    labels = {
        "mlops-usecase": request.usecase.name,
        "mlops-pipeline": request.pipeline,
        "mlops-code": pinned.code.removeprefix("sha256:"),
        TRIGGER: request.trigger,
        DEADLINE: str(seconds_allowed(pinned.pipeline)),
    }
    return {
        "displayName": display_name(request),
        "pipelineSpec": spec,
        "labels": {name: label_value(value) for name, value in labels.items() if value},
        "runtimeConfig": {
            "gcsOutputDirectory": f"{deployment.root}/artifacts",
            "parameterValues": pinned.parameters,
            "failurePolicy": "PIPELINE_FAILURE_POLICY_FAIL_FAST",
        },
    } | placement(deployment)


def placement(deployment: Deployment) -> dict[str, Any]:
    """Return the fields of a job that say where and as whom it runs."""
    fields: dict[str, Any] = {"serviceAccount": deployment.service_account}
    if deployment.network:
        fields["network"] = deployment.network
    if deployment.network_attachment:
        fields["pscInterfaceConfig"] = {"networkAttachment": deployment.network_attachment}
    if deployment.encryption_key:
        fields["encryptionSpec"] = {"kmsKeyName": deployment.encryption_key}
    return fields


def job_id(request: RunRequest, job: Mapping[str, Any]) -> str:
    """Return the id of a job: the same for the same pipeline, parameters, images and placement.

    The submission's own id does not count, so that a fact that is delivered twice makes one job; where a person asked
    for no cached results, it does.
    """
    pinned = {key: value for key, value in job.items() if key not in {"displayName", "labels"}}
    parameters = dict(job["runtimeConfig"]["parameterValues"])
    if request.cache:
        parameters.pop("submission", None)
    pinned["runtimeConfig"] = {**job["runtimeConfig"], "parameterValues": parameters}
    key = hashlib.sha256(json.dumps(pinned, sort_keys=True).encode()).hexdigest()[:_HEX]
    return f"{display_name(request)}-{key}"


def attempt_id(first: str, attempt: int) -> str:
    """Return the id of a later attempt, after the earlier ones failed or were cancelled; attempts count from 1."""
    return first if attempt == 1 else f"{first}-r{attempt}"


def display_name(request: RunRequest) -> str:
    """Return use case and pipeline in the letters of a job's id, with room for what follows."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{request.usecase.name}-{request.pipeline}".lower()).strip("-")
    name = name if name[:1].isalpha() else f"m-{name}"
    return name[: _ID - _HEX - len("--r999")].rstrip("-")


def label_value(text: str) -> str:
    """Return a text in the letters that a label's value may have; a longer one is cut."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:_LABEL]


def seconds_allowed(compiled: Path) -> int:
    """Return the sum of the steps' time limits, which document 2 has: no run within them takes longer."""
    documents = list(yaml.load_all(compiled.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
    platforms = documents[1].get("platforms", {}) if len(documents) > 1 else {}
    executors = platforms.get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    limits = [
        int(executor["activeDeadlineSeconds"]) for executor in executors.values() if "activeDeadlineSeconds" in executor
    ]
    return sum(limits) or _DEFAULT_LIMIT


def _set_resources(container: dict[str, Any], settings: StepSettings) -> None:
    """Replace a step's limits, in both spellings that kfp's compiler writes."""
    resources = container.setdefault("resources", {})
    if settings.cpu:
        resources |= {"cpuLimit": settings.cpu, "resourceCpuLimit": str(settings.cpu)}
    if settings.memory_gb:
        resources |= {"memoryLimit": settings.memory_gb, "resourceMemoryLimit": f"{settings.memory_gb}G"}
    if settings.accelerator:
        count = settings.accelerators
        resources["accelerator"] = {
            "type": settings.accelerator,
            "count": str(count),
            "resourceType": settings.accelerator,
            "resourceCount": str(count),
        }
