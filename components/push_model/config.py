"""The `push_model` section: the gates that a release requires, and whether it goes into production at once."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from artifacts.evidence.requirements import Requirements
from core.settings import Settings

DEFAULT = ("evaluate_model", "validate_infra")
"""The gates that a release requires unless they are waived with a reason."""


class Config(Settings):
    """How a model is released."""

    promote: bool = True
    """Whether the published version goes into production at once; otherwise a person runs `mlops models push`."""
    requires: tuple[str, ...] = Field(default=DEFAULT, min_length=1)
    """Gates that must pass the model; without a decision of each of them nothing is pushed."""
    waives: dict[str, Annotated[str, Field(min_length=10)]] = Field(default={})
    """Gates that are not required, with the reason, which is written to the version's manifest."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len(set(self.requires)) < len(self.requires):
            raise ValueError(f"requires: wanted each gate once, got {', '.join(self.requires)}")
        both = set(self.requires) & set(self.waives)
        if both:
            raise ValueError(f"wanted {', '.join(sorted(both))} in one of requires and waives, got it in both")
        left_out = [gate for gate in DEFAULT if gate not in {*self.requires, *self.waives}]
        if left_out:
            raise ValueError(
                f"requires leaves out {', '.join(left_out)}: add it, or give the reason under waives, "
                f'such as `waives: {{{left_out[0]}: "why a release does not need it"}}`'
            )
        return self

    @property
    def requirements(self) -> Requirements:
        """The requirements for the evidence."""
        return Requirements(self.requires, self.waives)
