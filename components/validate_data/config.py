"""The `validate_data` section: how many rows are required, and what drift and skew lead to."""

from typing import Annotated, Literal

from pydantic import Field

from core.problem import FromProblem
from core.settings import Settings


class Config(Settings):
    """The settings of the data gate; `label` comes from the `problem` section."""

    min_examples: int = Field(default=100, ge=1)
    """Minimum number of rows of each split, and of each span that is checked for drift."""
    on_drift: Literal["stop", "continue", "off"] = "stop"
    """When the newest span drifts from the one before it by more than the schema's threshold: `stop` the run,
    `continue` and record it, or `off` to compare no spans, for a run with a single span."""
    on_skew: Literal["stop", "continue"] = "stop"
    """When the serving data differs from the train split by more than the schema's threshold: `stop` or `continue`."""
    label: Annotated[str, FromProblem("label")] = ""
    weight: Annotated[str | None, FromProblem("weight")] = None
