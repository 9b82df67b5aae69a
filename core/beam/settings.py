"""The `beam` section: whether data-heavy stages run in one process or on Apache Beam, and on which runner."""

from typing import Literal, Self

from pydantic import Field, model_validator

from core.settings import Settings

Engine = Literal["in_process", "beam", "auto"]
World = Literal["laptop", "kfp", "vertex"]
Option = str | int | float | bool | tuple[str, ...]

LOCAL_RUNNERS = frozenset({"DirectRunner", "FnApiRunner"})
"""Runners whose workers are processes of this machine, started in this environment."""


class Runner(Settings):
    """A runner of Beam in one world."""

    runner: str = "DirectRunner"
    """Beam's name, such as `DataflowRunner`, `FlinkRunner` or `PortableRunner`; DirectRunner is this machine."""
    options: dict[str, Option] = Field(default_factory=dict)
    """Beam's pipeline options by name, without dashes, such as `{project: my-project, region: europe-west4}`."""
    workers: int = Field(default=1, ge=1, le=1000)
    """Worker processes of the DirectRunner; other runners have options of their own."""
    shared_disk: bool = False
    """Whether workers of another runner see this step's folders under the same paths, such as a mounted volume."""
    work: str = Field(default="", pattern=r"^(|/.+|s3://.+|gs://.+)$")
    """Folder that the step and all workers see, for what they exchange; unset: beside the step's outputs."""
    code: Literal["wheel", "image"] = "wheel"
    """How workers get this project and the use case: `wheel` stages both as packages, `image` relies on the SDK
    container, which then is the step's image."""
    connect_seconds: float = Field(default=60.0, gt=0, le=3600)
    """How long a runner may take to accept a job."""
    attempts: int = Field(default=2, ge=1, le=10)
    """How often a pipeline is run on a runner that does not replace workers itself, when a worker dies."""

    @model_validator(mode="after")
    def _names_without_dashes(self) -> Self:
        for name in self.options:
            if name.startswith("-") or "=" in name:
                raise ValueError(f"options: wanted names such as temp_location, got {name!r}; leave out dashes and '='")
        if self.workers > 1 and self.runner not in LOCAL_RUNNERS:
            raise ValueError(
                f"workers: is for the DirectRunner; {self.runner} takes options, max_num_workers or parallelism"
            )
        return self

    @property
    def is_local_process(self) -> bool:
        """Whether workers are processes of this machine, with its environment."""
        return self.runner in LOCAL_RUNNERS

    @property
    def starts_workers(self) -> bool:
        """Whether its workers are processes that the step starts; one worker is the step itself, unless options ask."""
        mode = self.options.get("direct_running_mode", "multi_processing" if self.workers > 1 else "in_memory")
        return self.is_local_process and mode == "multi_processing"

    @property
    def sees_disk(self) -> bool:
        """Whether workers see the files of this machine."""
        return self.shared_disk or self.is_local_process


class Beam(Settings):
    """Where the data-heavy stages run; without this section they run in one process."""

    engine: Engine = "auto"
    """`in_process`: one process, batch by batch; `beam`: a Beam pipeline; `auto`: Beam where the input is too large for
    the memory that the step may use, and the world has a runner here."""
    laptop: Runner | None = None
    kfp: Runner | None = None
    vertex: Runner | None = None
