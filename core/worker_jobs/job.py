"""One command in several processes that find each other by TF_CONFIG, wherever a step runs."""

from collections.abc import Mapping
from dataclasses import dataclass

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


def image_of(environment: Mapping[str, str]) -> str:
    """Return the image of the step; ConfigError where the pipeline does not say it."""
    image = environment.get(IMAGE, "")
    if not image:
        raise ConfigError(f"{IMAGE}: wanted the image of this step, got none; compile the pipeline again")
    return image
