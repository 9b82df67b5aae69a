"""The file of a model's explanations: what matters in all of its predictions, and the explained ones that it shows."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from core import durable
from core.errors import CorruptArtifact

EXPLANATIONS = "explanations.json"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FeatureImportance(_Facts):
    """How much one raw feature matters."""

    name: str
    shapley: float
    """Mean of the absolute Shapley values over rows and outputs, in the unit of the model's answer."""
    share: float
    """Of the sum over all features, from 0 to 1."""
    permutation: float | None = None
    """Skill lost on the eval split when the feature's values are shuffled; None where that was not measured."""


class WordImportance(_Facts):
    """How much one word of a text matters, in the rows that have it."""

    word: str
    rows: int
    mean: float
    """Mean of its parts in the explained output."""


class ExplainedRow(_Facts):
    """The explanation of one row of the eval split."""

    row: int
    """Its number in the sample."""
    label: str
    prediction: str
    output: str
    """The class whose probability is explained; empty for a number."""
    score: float
    base: float
    attributions: dict[str, float]
    residual: float
    values: dict[str, str]
    """The features as text."""
    words: dict[str, tuple[tuple[str, float], ...]] = {}
    cells: dict[str, tuple[tuple[float, ...], ...]] = {}


class ExplanationsSummary(_Facts):
    """The explanations of one model."""

    version: Literal[1] = 1
    subject: str
    """Digest of the explained model."""
    rows: int
    """Explained rows of the eval split, in two samples."""
    background: int
    """Background rows."""
    evaluations: int
    """Rows that the model scored."""
    skill: str
    """Name of the skill that a shuffled feature loses, such as AUC."""
    residual: float | None
    """The largest of all rows; None when the model gave a number that is not finite."""
    stability: float | None
    """Rank correlation of the importance in both samples; None for a single feature."""
    features: tuple[FeatureImportance, ...]
    """The most important first."""
    words: dict[str, tuple[WordImportance, ...]] = {}
    """By text feature, its most important words."""
    worst: tuple[ExplainedRow, ...] = ()
    """The rows with the largest errors."""

    def write(self, folder: Path | str) -> None:
        """Write the file to its folder, atomically."""
        target = Path(folder) / EXPLANATIONS
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(target, f"{self.model_dump_json(indent=2)}\n".encode())

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read the file of a folder; CorruptArtifact when it is missing or invalid."""
        path = Path(folder) / EXPLANATIONS
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{path}: wanted the explanations of a model, got {error}") from None
