"""The base of every configuration model."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen section of a use case's configuration; unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )


class GateSettings(Settings):
    """The section of a stage that is a gate for models: `push_model` requires or waives its decision."""


@dataclass(frozen=True)
class FromUseCase:
    """Marks a field of a stage's section that is filled in from a section of the whole use case, such as `beam`."""

    section: str


def shared_in(section: type[BaseModel]) -> dict[str, str]:
    """Return field -> section of the use case for the fields that are annotated with `FromUseCase`."""
    return {
        name: mark.section
        for name, field in section.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, FromUseCase)
    }
