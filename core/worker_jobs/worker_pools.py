"""A custom job of Vertex AI with worker pools: built from settings, created, followed to its end, or cancelled."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigError
from core.worker_jobs.job import WorkerFailed, WorkerJob
from core.worker_jobs.settings import WorkerPools

_PROJECT = "CLOUD_ML_PROJECT_ID"
_LOOK_SECONDS = 20.0
_GOOD = "JOB_STATE_SUCCEEDED"
_ENDED = frozenset({_GOOD, "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"})


@dataclass(frozen=True)
class Machines:
    """What the processes run on."""

    settings: WorkerPools
    image: str

    @property
    def endpoint(self) -> str:
        """Address of the region's interface."""
        return f"{self.settings.region}-aiplatform.googleapis.com"


def run_job(machines: Machines, job: WorkerJob, environment: Mapping[str, str], seconds: float = _LOOK_SECONDS) -> None:
    """Create a job, and wait until it has ended; it is cancelled when the step ends first.

    Raises WorkerFailed when it has not succeeded, ConfigError outside of Vertex AI.
    """
    project = environment.get(_PROJECT, "")
    if not project:
        raise ConfigError(f"{_PROJECT}: wanted the project that Vertex AI sets for a step, got none")
    client = connected(machines)
    parent = f"projects/{project}/locations/{machines.settings.region}"
    name = client.create_custom_job(parent=parent, custom_job=custom_job(machines, job)).name
    state = ""
    try:
        while state not in _ENDED:
            found = client.get_custom_job(name=name)
            state = found.state.name
            if state not in _ENDED:
                time.sleep(seconds)
    finally:
        if state not in _ENDED:
            client.cancel_custom_job(name=name)
    if state != _GOOD:
        raise WorkerFailed(f"the custom job {name} ended as {state}: {found.error.message}; see its logs")


def custom_job(machines: Machines, job: WorkerJob) -> dict[str, Any]:
    """Return the job: the first pool has the process that writes the model, the second the others."""
    settings = machines.settings
    machine: dict[str, Any] = {"machine_type": settings.machine_type}
    if settings.accelerator_type:
        machine |= {"accelerator_type": settings.accelerator_type, "accelerator_count": 1}
    container = {"image_uri": machines.image, "command": job.command[:3], "args": job.command[3:]}
    pools = [
        {"machine_spec": machine, "replica_count": count, "container_spec": container}
        for count in (1, job.distribution.workers - 1)
    ]
    spec: dict[str, Any] = {
        "worker_pool_specs": pools,
        "service_account": settings.service_account,
        # All processes start again when one of them does: those that wait for it cannot go on.
        "scheduling": {"timeout": f"{round(job.distribution.minutes * 60)}s", "restart_job_on_worker_restart": True},
    }
    if settings.network:
        spec["network"] = settings.network
    return {"display_name": "train-model", "job_spec": spec, "labels": {"part-of": "ml-in-production"}}


def connected(machines: Machines) -> Any:
    """Return the client of the region."""
    from google.cloud.aiplatform_v1 import JobServiceClient  # noqa: PLC0415 - seconds that only this world pays

    return JobServiceClient(client_options={"api_endpoint": machines.endpoint}, transport="rest")
