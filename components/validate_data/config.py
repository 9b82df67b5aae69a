"""The `validate_data` section: what is done about data that changed, beyond what the schema forbids."""

from typing import Annotated, Literal

from pydantic import Field

from core.problem import FromProblem
from core.settings import Settings


class Config(Settings):
    """How strict the gate is; `label` comes from the `problem` section."""

    min_examples: int = Field(default=100, ge=1)
    """Fewest rows of a split, and of a span whose drift is measured; below it nothing can be said."""
    on_drift: Literal["stop", "continue", "off"] = "stop"
    """When the newest span differs from the one before it by more than the schema allows: `stop` the run, `continue`
    and record it (values that change are a reason to retrain), or `off` where a run has a single span."""
    on_skew: Literal["stop", "continue"] = "stop"
    """The same when the serving data differs from what is trained on."""
    label: Annotated[str, FromProblem("label")] = ""
