"""The `join_feedback` section: which predictions are read, and how long a label may take."""

from typing import Annotated, Literal

from pydantic import Field

from core.problem import FromProblem, Metric, ModelOutput, Task
from core.settings import Settings


class Config(Settings):
    """How outcomes are joined to logged predictions; `label`, `task`, `metrics` come from the `problem` section."""

    maturity_days: float = Field(gt=0, le=3660)
    """How long a label usually takes: rows that are older count as overdue, and live metrics and labeled spans wait
    until then, because labels that come early are not like those that come late."""
    window_days: float = Field(default=30, gt=0, le=3660)
    """Length of the windows that are compared with each other."""
    windows: int = Field(default=2, ge=2, le=100)
    """How many windows of predictions are read, the newest included."""
    points: int = Field(default=4, ge=1, le=100)
    """In how many parts a window is divided for the curve of the live metric."""
    span: Literal["day", "month"] = "day"
    """What a labeled span holds: the answered rows of a UTC day, or of a month."""
    format: Literal["parquet", "tfrecord"] = "parquet"
    """Format of the labeled spans; that of `ingest_examples`, if they are a source of the same use case."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of the two-sided confidence intervals of live metrics."""
    decision_threshold: float = Field(default=0.5, gt=0, lt=1)
    """Rows with at least this probability are predicted positive."""
    max_problems: int = Field(default=1000, ge=0, le=100_000)
    """How many lines and keys that could not be used are listed; all are counted."""
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")]
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
