"""The `schedules` section: the recurring runs of a use case."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from core.settings import Settings

ScheduleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,20}$")]
"""Lower-case letters, digits and underscores."""
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")


class Schedule(Settings):
    """One recurring run."""

    cron: str
    """Five fields as crontab has them (minute, hour, day of month, month, day of week), in UTC.

    `0 6 * * 1` is every Monday at 6.
    """
    pipeline: str = "level1"
    """Which pipeline."""
    span: Literal["newest", "configured"] = "newest"
    """Which data a run is about: the newest span there is at that time, or the one that `source.span` names."""
    max_concurrency: int = Field(default=1, ge=1, le=10)
    """Runs of this schedule at the same time; a slot that finds them all busy waits for the next."""

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != len(_FIELDS):
            raise ValueError(f"wanted five fields ({', '.join(_FIELDS)}), got {len(cron.split())}")
        try:
            CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(f"wanted fields as crontab has them, got a {str(error).lower()}") from None
        return cron
