"""The base of every configuration model."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen section of a use case's configuration; unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )


class GateSettings(Settings):
    """The section of a stage that is a gate for models: `push_model` requires or waives its decision."""
