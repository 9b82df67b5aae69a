"""The `monitor_model` section: how far serving may be from training, and a live metric from its evaluation."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from core.beam.settings import Beam
from core.problem import FromProblem, Metric, ModelOutput, Task
from core.settings import FromUseCase, Settings

Bound = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Staleness(Settings):
    """How old a model may become."""

    max_model_age_days: float = Field(gt=0)
    """Days since the version in production was published."""
    why: str = Field(min_length=10)
    """Where it comes from: the decay that was measured."""


class Server(Settings):
    """Bounds on what the server counted, compared when its metrics are given."""

    max_error_share: float = Field(default=0.01, ge=0, le=1)
    """Share of the requests that were answered with a status of 500 or more."""
    max_latency_seconds: float = Field(default=0.25, gt=0)
    """Of the quantile below."""
    latency_quantile: float = Field(default=0.99, gt=0, lt=1)


class Config(Settings):
    """The bounds of the monitor; `label`, `task` and `metrics` come from the `problem` section."""

    staleness: Staleness
    min_rows: int = Field(default=500, ge=1)
    """Least rows of a window for any comparison; a bound that needs more rows than that waits for those."""
    confidence: float = Field(default=0.99, gt=0.5, lt=1)
    """How sure a comparison is that chance alone does not exceed its bound; it decides how many rows are needed."""
    skew_bounds: dict[str, Bound] = Field(default_factory=dict)
    """Feature -> bound on its difference from the training data, instead of the schema's skew_comparator."""
    drift_bounds: dict[str, Bound] = Field(default_factory=dict)
    """Feature -> bound on its difference from the window before, instead of the schema's drift_comparator."""
    max_missing_change: Share = 0.1
    """How much the share of rows without a feature may differ from the training data."""
    max_new_values: Share = 0.01
    """Share of a feature's values that the training data did not have."""
    prediction_bound: Bound = 0.1
    """Jensen-Shannon divergence of the scores from those on the evaluation's rows; for several classes the largest
    change of a predicted class's share."""
    max_drop: dict[str, Bound] = Field(default_factory=dict)
    """Metric of `problem.metrics` -> how much worse it may be on live rows than on the evaluation's."""
    max_overdue: Share = 0.2
    """Share of the rows whose labels are due that may still be without one."""
    server: Server = Server()
    decision_threshold: float = Field(default=0.5, gt=0, lt=1)
    """Rows with at least this probability are predicted positive."""
    sample_rows: int = Field(default=1_000_000, ge=1000, le=100_000_000)
    """On Beam: maximum number of rows of the evaluation, and of answered ones, drawn at random with `seed`, whose
    scores are compared, and that the evaluation's metrics are computed from."""
    seed: int = 0
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")]
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    beam: Annotated[Beam | None, FromUseCase("beam")] = None

    @model_validator(mode="after")
    def _enough_in_a_sample(self) -> Self:
        if self.sample_rows < self.min_rows:
            raise ValueError(f"sample_rows: wanted at least min_rows ({self.min_rows}), got {self.sample_rows}")
        return self
