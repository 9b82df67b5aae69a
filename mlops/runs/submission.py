"""What was submitted: the facts of a run that no runner knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.kinds import Kind


@dataclass(frozen=True)
class Submission:
    """Whose run it is, of what kind, where it runs and how."""

    usecase: str
    """Name of the use case, which is also the model's."""
    code: str
    """Digest of the code that the steps run."""
    world: str = "laptop"
    words: str = ""
    """How a person names the use case on the command line; empty for a record that has only its name."""
    pipeline: str = "level1"
    """Name of the pipeline on the command line."""
    kind: Kind = Kind.TRAINING
    cache: bool = True
    """Whether cached results are used."""
    release: Mapping[str, Any] = field(default_factory=dict)
    """The `push_model` section of the configuration: what a release of the run's model requires."""
    containers: bool = False
    """Whether the laptop runs every step in a container of its image."""

    @property
    def named(self) -> str:
        """The use case as a person names it on the command line."""
        return self.words or self.usecase
