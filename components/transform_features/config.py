"""The `transform_features` section: how the training data is analyzed."""

from typing import Annotated, Any

from pydantic import Field

from core.beam.settings import Beam
from core.settings import FromUseCase, Settings


class Config(Settings):
    """How `preprocessing_fn` is analyzed."""

    custom_config: dict[str, Any] = Field(default_factory=dict)
    """Passed to a `preprocessing_fn(inputs, custom_config)`, as TFX's Transform does."""
    batch_size: int = Field(default=32_768, ge=1, le=1 << 20)
    """Rows per batch of the analysis."""
    materialize: bool = False
    """Whether the transformed examples are written too, for a module whose `run_fn` reads them."""
    beam: Annotated[Beam | None, FromUseCase("beam")] = None
