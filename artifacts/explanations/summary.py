"""The file of a model's explanations: what matters in all of its predictions, and the explained ones that it shows."""

from typing import Literal

from pydantic import Field

from artifacts.facts import Facts, FactsFile

EXPLANATIONS = "explanations.json"


class FeatureImportance(Facts):
    """How much one raw feature matters."""

    name: str
    shapley: float
    """Mean of the absolute Shapley values over rows and outputs, in the unit of the model's answer."""
    share: float
    """Of the sum over all features, from 0 to 1."""
    permutation: float | None = None
    """Skill lost on the eval split when the feature's values are shuffled; None where that was not measured."""


class WordImportance(Facts):
    """How much one word of a text matters, in the rows that have it."""

    word: str
    rows: int
    mean: float
    """Mean of its parts in the explained output."""


class ExplainedRow(Facts):
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
    words: dict[str, tuple[tuple[str, float], ...]] = Field(default_factory=dict)
    cells: dict[str, tuple[tuple[float, ...], ...]] = Field(default_factory=dict)


class ExplanationsSummary(Facts, FactsFile):
    """The explanations of one model."""

    FILE = EXPLANATIONS
    WANTED = "the explanations of a model"

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
    words: dict[str, tuple[WordImportance, ...]] = Field(default_factory=dict)
    """By text feature, its most important words."""
    worst: tuple[ExplainedRow, ...] = ()
    """The rows with the largest errors."""
