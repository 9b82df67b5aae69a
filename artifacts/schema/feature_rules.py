"""The `features` section: which features must not be used, and what one may cost; `mlops score` checks it."""

from typing import Annotated

from pydantic import Field

from core.settings import Settings


class FeatureRules(Settings):
    """Rules about features that the schema has no place for."""

    forbidden: tuple[str, ...] = ()
    """Names, with `*` for any text, that no feature of a request may have: what is known only after the prediction,
    and what policy does not allow."""
    max_nanoseconds: float = Field(default=20_000.0, gt=0)
    """Most time that a feature may take in the transform, per row."""
    max_vocabulary_bytes: int = Field(default=10_000_000, ge=1)
    """Largest vocabulary of a feature."""
    kept: dict[str, Annotated[str, Field(min_length=10)]] = Field(default_factory=dict)
    """Feature -> why it stays although the model does not read it, or is measurably better without it."""
