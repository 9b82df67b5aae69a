"""The `explain_model` section: how many rows are explained, and what their explanations must keep to."""

from typing import Annotated

from pydantic import Field

from core.problem import FromProblem, ModelOutput, Task
from core.settings import GateSettings

Share = Annotated[float, Field(ge=0, le=1)]


class Config(GateSettings):
    """How a model is explained; label, task, model_output and weight come from `problem`."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    weight: Annotated[str | None, FromProblem("weight")] = None
    min_stability: float = Field(ge=-1, le=1)
    """Lowest rank correlation (Spearman) of the features' importance in two samples, each with rows, walks and
    background rows of its own."""
    max_share: dict[str, Share] = Field(default_factory=dict)
    """Features that must not matter, and the largest share of all importance that each may have, such as `{sex: 0.01}`;
    a feature that is no input of the model has none."""
    max_residual: float = Field(default=1e-6, gt=0, le=1e-3)
    """Largest difference between a prediction and its base and attributions together, relative to the larger of the
    prediction and 1."""
    rows: int = Field(default=100, ge=1)
    """Rows of the eval split in each of the two samples."""
    min_rows: int = Field(default=20, ge=1)
    """Lowest number of rows in each sample; with fewer the gate is undecided."""
    pairs: int = Field(default=8, ge=1)
    """Antithetic pairs of walks for one row of the samples."""
    evaluations: int = Field(default=1024, ge=16)
    """Most rows that the model scores for one row of the samples."""
    permutation_rows: int = Field(default=4000, ge=0)
    """Most rows of the eval split whose features are shuffled for the permutation importance; 0 leaves it out."""
    worst: int = Field(default=4, ge=0, le=20)
    """Number of the largest errors that are explained and drawn."""
    seed: int = 0
