"""The base of every configuration model."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen section of a use case's configuration: an unknown key is an error, a number must be finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=(), use_attribute_docstrings=True
    )


class GateSettings(Settings):
    """The section of a stage that decides about a model: `push_model` may require or waive its decision."""
