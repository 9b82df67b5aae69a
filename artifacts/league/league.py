"""The file that describes a search over families of models, for the report, the command line and cards."""

from typing import Any, Literal

from pydantic import Field

from artifacts.facts import Facts, FactsFile
from artifacts.model.footprint import Footprint

LEAGUE = "league.json"
MODULE = "build_model"
"""The contender that module.py builds."""


class Entry(Facts):
    """One contender."""

    name: str
    family: str
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
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


class League(Facts, FactsFile):
    """A search over families of models."""

    FILE = LEAGUE
    WANTED = "the table of a search"

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
