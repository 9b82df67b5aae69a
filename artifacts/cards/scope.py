"""The scope of a use case: what a person states about it, for the scope gate and for the cards."""

from typing import Literal

from pydantic import Field

from core.settings import Settings

RiskClass = Literal["unacceptable", "high", "limited", "minimal"]
"""The class of risk under the EU AI Act (Regulation (EU) 2024/1689)."""


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


class Statements(Settings):
    """What the cards say and only a person knows; what is left out reads "not stated"."""

    intended_use: str | None = Field(default=None, min_length=20)
    """Who uses a prediction, and for which decision."""
    out_of_scope: str | None = Field(default=None, min_length=20)
    """Uses that the model is not made for, and misuse that can be foreseen."""
    instructions: str | None = Field(default=None, min_length=20)
    """How a person is to use a prediction."""
    interfaces: str | None = Field(default=None, min_length=10)
    """How the model is reached: the program, page or device that asks it."""
    licence: str | None = Field(default=None, min_length=2)
    """The licence of the model, as SPDX names it where it does."""
    contact: str | None = Field(default=None, min_length=3)
    """Where to report a problem with a prediction."""
    design: str | None = Field(default=None, min_length=20)
    """The kind of model, and why it was chosen."""
    limitations: str | None = Field(default=None, min_length=20)
    """When the model must be expected to be wrong."""
    metrics: str | None = Field(default=None, min_length=20)
    """Why the metrics are the right ones for this use."""
    human_oversight: str | None = Field(default=None, min_length=20)
    """Who may overrule a prediction, and how."""
    cybersecurity: str | None = Field(default=None, min_length=20)
    """How the model and its data are protected."""
    planned_changes: str | None = Field(default=None, min_length=20)
    """Changes that are foreseen, such as retraining, and their bounds."""
    past_changes: str | None = Field(default=None, min_length=20)
    """What changed since the model was first in production."""
    standards: str | None = Field(default=None, min_length=4)
    """Harmonised standards that were applied, or the solutions that were adopted instead."""
    declaration: str | None = Field(default=None, min_length=4)
    """Where the EU declaration of conformity is."""
    post_market: str | None = Field(default=None, min_length=20)
    """The plan for watching the model in use."""
    data_provenance: str | None = Field(default=None, min_length=10)
    """Where the data comes from, and how it was collected."""
    data_licence: str | None = Field(default=None, min_length=2)
    """The licence of the data."""
    data_labeling: str | None = Field(default=None, min_length=10)
    """How the label came about."""
    data_cleaning: str | None = Field(default=None, min_length=10)
    """What was left out or corrected."""
    lawful_basis: str | None = Field(default=None, min_length=10)
    """Why the personal data may be used; needed where there is any."""
    retention: str | None = Field(default=None, min_length=10)
    """How long personal data is kept, and how it is deleted."""


class Scope(Settings):
    """Objectives, baseline, resources, risks and ethics of a use case."""

    business_objective: str = Field(min_length=20)
    ml_objective: str = Field(min_length=20)
    primary_metric: str
    """The metric of `problem.metrics` that matters most."""
    reference: Reference
    resources: Resources
    risks: tuple[Risk, ...]
    ethics: Ethics
    statements: Statements | None = None
    """What the model card and the data card say."""
