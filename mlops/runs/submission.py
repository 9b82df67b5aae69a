"""What was submitted: the facts of a run that the runner itself does not know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.kinds import Kind


@dataclass(frozen=True)
class Submission:
    """The use case of a run, the kind of its pipeline, and where and how it runs."""

    usecase: str
    """Name of the use case, which is also the model's."""
    code: str
    """Digest of the code that the steps run."""
    world: str = "laptop"
    cli_name: str = ""
    """What the command line takes for the use case: a name or a path; a record without one gets the use case's name."""
    pipeline: str = "level1"
    """Name of the pipeline on the command line."""
    kind: Kind = Kind.TRAINING
    cache: bool = True
    """Whether cached results are used."""
    release: Mapping[str, Any] = field(default_factory=dict)
    """The `push_model` section of the configuration: what a release of the run's model requires."""
    trigger: str = ""
    """Key of the decision that asked for it; empty: a person did."""
    of_release: str = ""
    """Id of the release whose pipeline it runs; empty: the pipeline was compiled from the sources."""
    containers: bool = False
    """Whether the laptop runs every step in a container of its image."""

    def __post_init__(self) -> None:
        """Fill in the command line's name where a record has none."""
        object.__setattr__(self, "cli_name", self.cli_name or self.usecase)
