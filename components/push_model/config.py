"""The `push_model` section: what a release requires, and whether it goes into production at once."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from artifacts.evidence.requirements import Requirements
from core.settings import Settings

DEFAULT = ("evaluate_model", "validate_infra")
"""The gates that a release requires unless a reason is given."""


class Config(Settings):
    """How a model is released."""

    promote: bool = True
    """Whether the published version takes production at once; without it, a person's `mlops models push` does."""
    requires: tuple[str, ...] = Field(default=DEFAULT, min_length=1)
    """Gates whose decision about the model must be an outright pass; nothing is pushed without each of them."""
    waives: dict[str, Annotated[str, Field(min_length=10)]] = Field(default={})
    """Gates that are not required, each with the reason; it is kept with every version."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(set(self.requires)) < len(self.requires):
            raise ValueError(f"requires: wanted each gate once, got {', '.join(self.requires)}")
        if both := set(self.requires) & set(self.waives):
            raise ValueError(f"wanted {', '.join(sorted(both))} in one of requires and waives, got it in both")
        if left_out := [gate for gate in DEFAULT if gate not in {*self.requires, *self.waives}]:
            raise ValueError(
                f"requires leaves out {', '.join(left_out)}: add it, or give the reason under waives, "
                f'such as `waives: {{{left_out[0]}: "why a release does without it"}}`'
            )
        return self

    @property
    def requirements(self) -> Requirements:
        """What the evidence must hold."""
        return Requirements(self.requires, self.waives)
