"""The `scope_use_case` section: what the team agreed on before the first row was read."""

from typing import Annotated

from pydantic import Field

from core.problem import FromProblem, Metric, Task
from core.settings import Settings


class Risk(Settings):
    """Something that can go wrong, and what is done about it."""

    what: str = Field(min_length=10)
    mitigation: str = Field(min_length=10)


class Ethics(Settings):
    """Who is affected by a prediction, and how they are protected."""

    affected: str = Field(min_length=10)
    """The people a wrong prediction touches."""
    personal_data: bool
    """Whether a row can be traced to a person."""
    protected_groups: tuple[str, ...] = ()
    """Features that name a group to be treated fairly; empty when no person is described."""
    statement: str = Field(min_length=20)


class Reference(Settings):
    """What the model is measured against before it exists."""

    baseline: str = Field(min_length=10)
    """The simplest method in use today, in words."""
    baseline_value: float
    """The primary metric of that method, in the metric's unit."""
    human_level: str = Field(min_length=3)
    """How well people do, or why nobody knows."""


class Resources(Settings):
    """What the use case may cost."""

    owner: str = Field(min_length=2)
    """The team, never a person's name."""
    training_minutes: float = Field(gt=0)
    """Longest training run that is acceptable on the laptop, in minutes."""
    latency_ms: float = Field(gt=0)
    """Longest time a prediction may take at the median, in milliseconds."""


class Config(Settings):
    """The use case's scope; `task`, `label` and `metrics` come from the `problem` section."""

    business_objective: str = Field(min_length=20)
    ml_objective: str = Field(min_length=20)
    primary_metric: str
    """The one of the problem's metrics that decides when two disagree."""
    reference: Reference
    resources: Resources
    risks: tuple[Risk, ...]
    ethics: Ethics
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")]
