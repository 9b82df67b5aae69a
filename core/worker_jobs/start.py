"""Starts a job in the world that a step runs in."""

from collections.abc import Callable, Mapping
from typing import NoReturn

from core.beam.settings import World
from core.errors import ConfigError
from core.worker_jobs import training_operator, worker_pools
from core.worker_jobs.job import WorkerJob, image_of
from core.worker_jobs.this_machine import run_here


def run(job: WorkerJob, world: World, environment: Mapping[str, str]) -> None:
    """Start all processes of a job, and wait until they are done; those that do not end are stopped.

    Raises ConfigError for a world without settings, WorkerFailed when a process fails.
    """
    _STARTS[world](job, environment)


def _on_kubernetes(job: WorkerJob, environment: Mapping[str, str]) -> None:
    settings = job.distribution.kfp or _unset("kfp")
    training_operator.run_job(training_operator.Pods(settings, image_of(environment)), job, environment)


def _on_vertex(job: WorkerJob, environment: Mapping[str, str]) -> None:
    settings = job.distribution.vertex or _unset("vertex")
    worker_pools.run_job(worker_pools.Machines(settings, image_of(environment)), job, environment)


def _unset(world: World) -> NoReturn:
    raise ConfigError(
        f"config.yaml: train_model.distribution.{world}: wanted what the processes run on here, got nothing; "
        "write the section, or leave out train_model.distribution"
    )


_STARTS: Mapping[World, Callable[[WorkerJob, Mapping[str, str]], None]] = {
    "laptop": run_here,
    "kfp": _on_kubernetes,
    "vertex": _on_vertex,
}
