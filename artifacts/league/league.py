"""The file that describes a search over families of models, for the report, the command line and cards."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.model.footprint import Footprint
from core import durable
from core.errors import CorruptArtifact

LEAGUE = "league.json"
MODULE = "build_model"
"""The contender that module.py builds."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Entry(_Facts):
    """One contender."""

    name: str
    family: str
    hyperparameters: dict[str, Any] = {}
    skill: float
    """On the held-out span, the mean over the seeds."""
    spread: float
    """Standard deviation of the skill over the seeds; 0 for one seed."""
    behind: float
    """The best contender's skill minus this one's."""
    behind_at_least: float
    """The lower end of that difference's confidence interval; at most 0 is within the noise."""
    behind_at_most: float
    footprint: Footprint
    seconds: float
    """Of all trainings before the last one."""
    max_difference: float
    """Largest difference between the scores of the SavedModel and of the model it was exported from."""

    @property
    def is_within_noise(self) -> bool:
        """Whether the best contender is not surely better."""
        return self.behind_at_least <= 0


class League(_Facts):
    """A search over families of models."""

    version: Literal[1] = 1
    skill: str
    """Name of the skill, such as AUC."""
    held_out_span: int
    """The newest training span, on whose rows all were compared and none was trained."""
    trained_rows: int
    held_out_rows: int
    seeds: tuple[int, ...]
    confidence: float
    best: str
    chosen: str
    entries: tuple[Entry, ...]
    """The best first."""
    left_out: dict[str, str]
    """Family -> why it could not be built of these features."""

    def of(self, name: str) -> Entry:
        """Return a contender's entry; KeyError for an unknown one."""
        return {entry.name: entry for entry in self.entries}[name]

    def write(self, folder: Path) -> None:
        """Write the table to its folder, atomically."""
        folder.mkdir(parents=True, exist_ok=True)
        durable.replace(folder / LEAGUE, f"{self.model_dump_json(indent=2)}\n".encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the table of a folder; CorruptArtifact when it is missing or invalid."""
        try:
            return cls.model_validate_json((folder / LEAGUE).read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{folder / LEAGUE}: wanted the table of a search, got {error}") from None
