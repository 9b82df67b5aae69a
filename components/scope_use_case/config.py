"""The `scope_use_case` section: objectives, baseline, resources, risks and ethics of a use case."""

from typing import Annotated

from pydantic import Field

from core.problem import FromProblem, Metric, Task
from core.settings import Settings


class Risk(Settings):
    """Something that can go wrong, and how it is mitigated."""

    what: str = Field(min_length=10)
    mitigation: str = Field(min_length=10)


class Ethics(Settings):
    """Who is affected by a prediction, and how they are protected."""

    affected: str = Field(min_length=10)
    """The people who are affected by a wrong prediction."""
    personal_data: bool
    """Whether a row can be traced to a person."""
    protected_groups: tuple[str, ...] = ()
    """Features whose values are groups to be treated fairly; empty when no row describes a person."""
    statement: str = Field(min_length=20)


class Reference(Settings):
    """The performance that the model is compared with."""

    baseline: str = Field(min_length=10)
    """Description of the method that is used today, or of a simple one."""
    baseline_value: float
    """The primary metric of that method, in the metric's unit."""
    human_level: str = Field(min_length=3)
    """Human-level performance, or why it is unknown."""


class Resources(Settings):
    """The owner and the budget of the use case."""

    owner: str = Field(min_length=2)
    """The team, never a person's name."""
    training_minutes: float = Field(gt=0)
    """Longest acceptable training on a laptop, in minutes."""
    latency_ms: float = Field(gt=0)
    """Longest acceptable median latency of a prediction, in milliseconds."""


class Config(Settings):
    """The use case's scope; `task`, `label` and `metrics` come from the `problem` section."""

    business_objective: str = Field(min_length=20)
    ml_objective: str = Field(min_length=20)
    primary_metric: str
    """The metric of `problem.metrics` that matters most."""
    reference: Reference
    resources: Resources
    risks: tuple[Risk, ...]
    ethics: Ethics
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")]
