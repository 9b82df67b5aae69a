"""What a monitor found, as a JSON file, for the command line, the status page and triggers."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artifacts.feedback.report import VersionMetrics
from core import durable
from core.errors import CorruptArtifact

Cause = Literal["drift", "performance"]
"""Which fact an alarm is: the data or predictions moved, or a live metric or the model's age is beyond its bound."""


class Alarm(BaseModel):
    """A check that failed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cause: Cause | None
    """None for an alarm that retraining does not help with, such as errors of the server."""
    rule: str
    feature: str = ""
    observed: float | str | None = None

    def __str__(self) -> str:
        """Return the rule, and what was observed instead."""
        observed = f"{self.observed:.4g}" if isinstance(self.observed, float) else self.observed
        return self.rule if observed is None else f"{self.rule}: observed {observed}"


class Findings(BaseModel):
    """What one run of the monitor found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    model: str
    champion: str
    """The version that was watched, as `<version>@<digest>`."""
    as_of: str
    period: int
    """Number of the window's length in which `as_of` lies, since 1970: an alarm that lasts is a new fact in each."""
    alarms: list[Alarm]
    undecided: list[str]
    """Rules that could not be decided, with what they need."""
    not_measured: list[str]
    """What there was no input for."""
    sampled: list[str] = Field(default_factory=list)
    """Which rows stand for more rows, as `1,000 of 5,000 answered rows, drawn with seed 0`."""
    live: VersionMetrics | None
    """The live metrics of the version in production; None when it answered nothing whose label is due."""
    points: list[VersionMetrics]
    """The live metrics over time, by version."""
    deployments: list[tuple[int, str]]
    evaluated: dict[str, float] = Field(default_factory=dict)
    """The metrics on the evaluation's rows."""

    @property
    def causes(self) -> list[Cause]:
        """The causes of all alarms, each once."""
        return sorted({alarm.cause for alarm in self.alarms if alarm.cause is not None})

    def write(self, path: Path) -> None:
        """Write it atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, (self.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it; CorruptArtifact when it is missing or has other content."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{path}: wanted the findings of a monitor, got {error}; run it again") from error
