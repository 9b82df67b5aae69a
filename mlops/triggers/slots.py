"""The slots of schedules as facts: whoever finds a slot (a watcher, a CronJob, a recurring run) names it alike."""

from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim

from core.errors import UsageError, did_you_mean
from mlops.triggers.fact import event_of
from mlops.triggers.permitted import NotPermitted
from pipelines.config import UseCase

_AHEAD_SECONDS = 120.0
"""How far the clock that started a sender may be ahead of the sender's own."""


def last_slot(cron: str, now: float) -> float | None:
    """Return the last slot of a cron expression in UTC up to now, in seconds since 1970; None: there was none."""
    after = datetime.fromtimestamp(now, UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    found = next(CronSim(cron, after, reverse=True), None)
    return found.timestamp() if found else None


def slot_event(usecase: str, schedule: str, slot: float, now: float) -> dict[str, Any]:
    """Write a slot as a CloudEvent; the same slot has the same source and id, whoever sends it."""
    subject = f"{usecase}/{schedule}"
    id_ = f"{subject}@{datetime.fromtimestamp(slot, UTC).isoformat()}"
    return event_of("schedule", subject, source="/schedules", id_=id_, now=now)


def newest_slot_event(usecase: UseCase, schedule: str, now: float) -> dict[str, Any]:
    """Write the slot that has just come as a CloudEvent.

    A retry that comes late names the same slot. Raises UsageError for a schedule that the use case does not have.
    """
    if schedule not in usecase.schedules:
        known = did_you_mean(schedule, usecase.schedules)
        raise NotPermitted(f"{usecase.folder / 'config.yaml'}: schedules.{schedule} is not there{known}")
    cron = usecase.schedules[schedule].cron
    slot = last_slot(cron, now + _AHEAD_SECONDS)
    if slot is None:
        raise UsageError(f"{usecase.folder / 'config.yaml'}: schedules.{schedule}: {cron!r} has had no slot yet")
    return slot_event(usecase.name, schedule, slot, now)
