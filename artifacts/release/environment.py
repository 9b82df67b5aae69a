"""The environments of a deployment: the order in which a release goes through them, and what each of them demands."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.settings import Settings

FACTS = ("clean_tree", "images", "sboms", "tests", "model_card")
"""Evidence of a release besides the decisions of its model's gates: a commit without changes, every image by digest, a
bill of materials of each, a report of tests that passed, and a model card."""
Reason = Annotated[str, Field(min_length=10)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


class Signed(Settings):
    """Who has to have attested a release and its images, and the program that verifies it."""

    tool: Literal["gh", "cosign"] = "gh"
    """GitHub's command line, or Sigstore's; the gate is closed where it is not installed."""
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    """`OWNER/NAME` on GitHub."""
    workflow: Annotated[str, Field(pattern=r"^\.github/workflows/[A-Za-z0-9_.-]+\.ya?ml$")]
    """The workflow in that repository that signs, such as `.github/workflows/build.yml`."""
    ref: Annotated[str, Field(pattern=r"^refs/(heads|tags)/[^\s]+$")] = "refs/heads/main"
    """Where it has to have run."""


class Environment(Settings):
    """One environment."""

    after: Name | None = None
    """The environment that a release comes from; empty for the first one."""
    requires: tuple[str, ...] = Field(min_length=1)
    """Evidence that a release must have: some of `FACTS`, and gates of the model."""
    waives: dict[str, Reason] = Field(default_factory=dict)
    """Evidence that is not required, each with the reason; any other evidence stops a release."""
    attestation: Signed | Reason
    """Who signs; or, where no attestation is demanded, the reason."""
    target: Literal["pointer", "vertex"] = "pointer"
    """What moves: the environment's pointer, which model servers follow; or also the endpoint on Vertex AI."""

    @model_validator(mode="after")
    def _closed_list(self) -> Self:
        if len(set(self.requires)) < len(self.requires):
            raise ValueError(f"requires: wanted each once, got {', '.join(self.requires)}")
        if both := set(self.requires) & set(self.waives):
            raise ValueError(f"wanted {', '.join(sorted(both))} in one of requires and waives, got it in both")
        if left_out := [fact for fact in FACTS if fact not in {*self.requires, *self.waives}]:
            raise ValueError(
                f"requires leaves out {', '.join(left_out)}: add it, or give the reason under waives, "
                f'such as `waives: {{{left_out[0]}: "why a release does not need it"}}`'
            )
        return self

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates of the model that must have passed it."""
        return tuple(name for name in self.requires if name not in FACTS)

    @property
    def waived_gates(self) -> Mapping[str, str]:
        """The gates of the model that are not required, with the reasons."""
        return {name: reason for name, reason in self.waives.items() if name not in FACTS}


class Environments(Settings):
    """All environments, by name."""

    environments: dict[Name, Environment] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_one_row(self) -> Self:
        first = [name for name, one in self.environments.items() if one.after is None]
        if len(first) != 1:
            raise ValueError(f"wanted one environment without `after`, got {', '.join(first) or 'none'}")
        for name, one in self.environments.items():
            if one.after is not None and one.after not in self.environments:
                raise ValueError(f"{name}: after names {one.after!r}, which is no environment here")
        if len(self.order) != len(self.environments):
            missing = sorted(set(self.environments) - set(self.order))
            raise ValueError(f"wanted the environments in one row, got {', '.join(missing)} outside of it")
        return self

    @property
    def order(self) -> tuple[str, ...]:
        """The environments from the first to the last."""
        following = {one.after: name for name, one in self.environments.items()}
        order: list[str] = []
        while (name := following.get(order[-1] if order else None)) is not None and name not in order:
            order.append(name)
        return tuple(order)
