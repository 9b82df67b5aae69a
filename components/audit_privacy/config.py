"""The `audit_privacy` section: quasi-identifiers, and the bounds on what can be inferred."""

from typing import Annotated

from pydantic import Field

from artifacts.cards.scope import Scope
from core.problem import FromProblem, ModelOutput, Task
from core.settings import FromUseCase, GateSettings


class Config(GateSettings):
    """Bounds of the privacy audit; `label`, `task` and `model_output` come from `problem`."""

    quasi_identifiers: tuple[str, ...]
    """Features that together may single a person out, such as age, sex and postcode; empty when no row describes a
    person."""
    min_k: int = Field(default=5, ge=1)
    """Fewest rows that may share one combination of the quasi-identifiers."""
    max_unique: float = Field(default=0.0, ge=0, le=1)
    """Largest share of rows that may be alone with their combination; matters with `min_k: 1`."""
    held_out: str = "validation"
    """The split whose rows were not trained on, of the same spans as `train`: the attack compares them."""
    max_membership_auc: float = Field(default=0.55, gt=0.5, le=1)
    """Largest AUC of telling rows of the training from held-out rows; 0.5 is a guess."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the two-sided interval of that AUC, whose upper end is held to the bound."""
    rows: int = Field(default=5000, ge=100)
    """Most rows of each of the two splits in the attack."""
    min_rows: int = Field(default=200, ge=20)
    """Fewest rows of each split; with fewer, the attack decides nothing."""
    seed: int = Field(default=20130101, ge=0, lt=1 << 32)
    """Seed of choosing the attack's rows."""
    allowed: dict[str, Annotated[str, Field(min_length=10)]] = Field(default_factory=dict)
    """Place, such as `examples/dest` or `model/saved_model.pb`, -> why a finding there is none."""
    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    model_output: Annotated[ModelOutput, FromProblem("model_output")] = "auto"
    scope: Annotated[Scope | None, FromUseCase("scope_use_case")] = None
