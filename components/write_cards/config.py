"""The `write_cards` section: the risk class, and numbers that people claim elsewhere."""

from typing import Annotated

from pydantic import Field

from artifacts.cards.scope import RiskClass, Scope
from core.problem import FromProblem, Metric, Task
from core.settings import FromUseCase, GateSettings, Settings


class Claim(Settings):
    """A number that is written down elsewhere, such as in a README, and the artifact that it comes from."""

    name: str = Field(min_length=2)
    value: float
    source: str
    """One of the card's sources, such as `evaluation`."""
    at: str = Field(pattern=r"^(/[^/]*)+$")
    """JSON pointer to the number in the source's file, such as `/overall/candidate/auc`."""
    within: float = Field(default=0.0, ge=0)
    """How far the number may be from the source's: the half of its last digit, say."""


class Config(GateSettings):
    """What the cards say beside what is measured; the scope is that of `scope_use_case`."""

    risk_class: RiskClass
    """The class of risk under the EU AI Act; it decides which headings of Annex IV must be complete."""
    headings: tuple[Annotated[int, Field(ge=1, le=9)], ...] = ()
    """Further headings that must be complete, by number."""
    claims: tuple[Claim, ...] = ()
    """Numbers that are claimed elsewhere; each must be what its artifact has."""
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")]
    scope: Annotated[Scope | None, FromUseCase("scope_use_case")] = None
    name: Annotated[str, FromUseCase("name")] = ""
