"""One command in several processes that find each other by TF_CONFIG, wherever a step runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from core.beam.settings import World
from core.errors import ConfigError, MlopsError
from core.worker_jobs.settings import Distribution

IMAGE = "MLOPS_STEP_IMAGE"
"""Environment variable of a step: the image that it runs in, and that processes elsewhere run in too."""


class WorkerFailed(MlopsError):
    """A process ended without having done its work."""


@dataclass(frozen=True)
class WorkerJob:
    """What is started."""

    distribution: Distribution
    module: str
    """Python module that each process runs, such as `components.train_model.worker`."""
    arguments: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The command of a process in the step's image."""
        return ["python3", "-m", self.module, *self.arguments]


def run(job: WorkerJob, world: World, environment: Mapping[str, str]) -> None:
    """Start all processes, and wait until they are done; those that do not end are stopped.

    Raises ConfigError for a world without settings, WorkerFailed when a process fails.
    """
    _STARTS[world](job, environment)


def image_of(environment: Mapping[str, str]) -> str:
    """Return the image of the step; ConfigError where the pipeline does not say it."""
    image = environment.get(IMAGE, "")
    if not image:
        raise ConfigError(f"{IMAGE}: wanted the image of this step, got none; compile the pipeline again")
    return image


def _here(job: WorkerJob, environment: Mapping[str, str]) -> None:
    from core.worker_jobs.this_machine import run_here  # noqa: PLC0415 - by world

    run_here(job, environment)


def _on_kubernetes(job: WorkerJob, environment: Mapping[str, str]) -> None:
    from core.worker_jobs import training_operator  # noqa: PLC0415 - by world

    settings = job.distribution.kfp or _unset("kfp")
    training_operator.run_job(training_operator.Pods(settings, image_of(environment)), job, environment)


def _on_vertex(job: WorkerJob, environment: Mapping[str, str]) -> None:
    from core.worker_jobs import worker_pools  # noqa: PLC0415 - by world

    settings = job.distribution.vertex or _unset("vertex")
    worker_pools.run_job(worker_pools.Machines(settings, image_of(environment)), job, environment)


def _unset(world: World) -> NoReturn:
    raise ConfigError(
        f"config.yaml: train_model.distribution.{world}: wanted what the processes run on here, got nothing; "
        "write the section, or leave out train_model.distribution"
    )


_STARTS: Mapping[World, Callable[[WorkerJob, Mapping[str, str]], None]] = {
    "laptop": _here,
    "kfp": _on_kubernetes,
    "vertex": _on_vertex,
}
