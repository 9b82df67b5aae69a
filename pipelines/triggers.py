"""The `triggers` section: which facts start a run of a use case by themselves, and how soon."""

from typing import Literal, get_args

from pydantic import Field

from core.settings import Settings

Cause = Literal["manual", "schedule", "new_data", "performance", "drift", "code"]
"""What can start a run: a person or program that asks, a slot of a schedule, a whole span of data, a metric below its
bound, data that moved away from the training data, a change of code or configuration."""
CAUSES: tuple[Cause, ...] = get_args(Cause)


class Trigger(Settings):
    """What a fact of one cause starts."""

    pipeline: str = "level1"
    """Which pipeline."""
    span: Literal["newest", "configured"] = "newest"
    """Which data the run is about: the newest span there is at that time, or the one that `source.span` names."""
    debounce_seconds: float = Field(default=0.0, ge=0.0, le=86_400.0)
    """How long no further fact of this cause may come before the run starts; all that came until then share that run.
    A stream of facts that never pauses delays a run by at most ten times this."""
    cool_down_seconds: float = Field(default=0.0, ge=0.0, le=366 * 86_400.0)
    """Least time between the starts of two runs of this cause; facts that come earlier wait, and share the next run."""


class NewData(Trigger):
    """What a whole span of new data starts, and how the watcher tells that it is whole."""

    marker: str = Field(default="", pattern=r"^[^/]*$")
    """Name of a file that lies beside a span's files once it is whole, such as `_SUCCESS`; empty: `quiet_seconds`."""
    quiet_seconds: float = Field(default=30.0, ge=0.0, le=86_400.0)
    """Without a marker: how long a span's files must not have changed."""


class Triggers(Settings):
    """Which causes may start a run; one that has no section may not. A schedule's slot may, as `schedules` says."""

    manual: Trigger | None = None
    """Someone or something asks, with `mlops trigger send`."""
    new_data: NewData | None = None
    """A whole span arrived, or one in the window of the newest run was corrected."""
    performance: Trigger | None = None
    """A metric on labels that arrived later is below its bound."""
    drift: Trigger | None = None
    """Serving data, or predictions, moved away from the training data."""
    code: Trigger | None = None
    """Code or configuration changed."""
