"""A fact that may start a run, as a CloudEvent 1.0 carries it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import UsageError, did_you_mean
from pipelines.triggers import CAUSES, Cause

TYPE = "mlops.fact."
"""Prefix of the type of an event; the cause follows it, as in `mlops.fact.new_data`."""
MAX_BYTES = 64 * 1024
"""Largest event that is taken, the limit that the CloudEvents specification asks every consumer to keep."""
FUTURE_SECONDS = 300.0
"""How far a sender's clock may be ahead of ours."""
_LONGEST = 512
_SUBJECT = re.compile(r"(?P<usecase>[a-z][a-z0-9_]{0,40})(/(?P<schedule>[a-z][a-z0-9_]{0,20}))?")


class EventError(UsageError):
    """An event that cannot be used, whoever sends it and however often."""


@dataclass(frozen=True)
class Fact:
    """One thing that happened; a fact with the same source and id is the same fact, however often it is delivered."""

    source: str
    id: str
    cause: Cause
    usecase: str
    schedule: str
    """Name of the schedule whose slot it is; empty for every other cause."""
    time: float
    """When it happened, in seconds since 1970."""
    event: str
    """The whole event as JSON: evidence for people. Nothing of it becomes a parameter of a pipeline."""

    @property
    def key(self) -> str:
        """Its source and id."""
        return f"{self.source}#{self.id}"


def loads(body: bytes) -> Any:
    """Parse JSON from a stranger; EventError for what is too large, too deep or no JSON."""
    if len(body) > MAX_BYTES:
        raise EventError(f"wanted an event of at most {MAX_BYTES} bytes, got {len(body)}")
    try:
        return json.loads(body, parse_constant=_refuse)
    except RecursionError:
        raise EventError("wanted an event, got JSON that is nested too deeply") from None
    except ValueError as error:
        raise EventError(f"wanted an event as JSON, got {str(error)[:200]}") from None


def fact_of(event: Any, now: float) -> Fact:
    """Read a structured CloudEvent that arrived at `now`; EventError names the attribute, wanted and got.

    The subject is the use case, for a schedule's slot `usecase/schedule`.
    """
    if not isinstance(event, Mapping):
        raise EventError(f"wanted a CloudEvent (a JSON object), got {_shown(event)}")
    if event.get("specversion") != "1.0":
        raise EventError(f"specversion: wanted '1.0', got {_shown(event.get('specversion'))}")
    cause = _cause(_text(event, "type"))
    subject = _SUBJECT.fullmatch(_text(event, "subject"))
    if subject is None:
        raise EventError(f"subject: wanted a use case's name, or usecase/schedule, got {_shown(event['subject'])}")
    if (cause == "schedule") != bool(subject["schedule"]):
        wanted = "usecase/schedule" if cause == "schedule" else "a use case's name alone"
        raise EventError(f"subject: wanted {wanted} for the type {TYPE}{cause}, got {_shown(event['subject'])}")
    return Fact(
        source=_text(event, "source"),
        id=_text(event, "id"),
        cause=cause,
        usecase=subject["usecase"],
        schedule=subject["schedule"] or "",
        time=_time(event.get("time"), now),
        event=json.dumps(event, sort_keys=True),
    )


def event_of(cause: Cause, subject: str, *, source: str, id_: str, now: float) -> dict[str, Any]:
    """Write a fact as a structured CloudEvent."""
    return {
        "specversion": "1.0",
        "type": TYPE + cause,
        "source": source,
        "id": id_,
        "subject": subject,
        "time": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
    }


def _cause(type_: str) -> Cause:
    for cause in CAUSES:
        if type_ == TYPE + cause:
            return cause
    raise EventError(f"type: got {_shown(type_)}{did_you_mean(type_, [TYPE + cause for cause in CAUSES])}")


def _text(event: Mapping[str, Any], attribute: str) -> str:
    value = event.get(attribute)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise EventError(
            f"{attribute}: wanted 1 to {_LONGEST} printable characters, "
            f"got {_shown(value) if attribute in event else 'nothing'}"
        )
    return value


def _time(written: Any, now: float) -> float:
    """When it happened: as written, or else now."""
    if written is None:
        return now
    try:
        time = datetime.fromisoformat(written)
        happened = time.timestamp()
    except (TypeError, ValueError, OverflowError):
        raise EventError(f"time: wanted a time such as 2026-01-31T06:00:00Z, got {_shown(written)}") from None
    if time.tzinfo is None:
        raise EventError(f"time: wanted a time zone, such as the Z in 2026-01-31T06:00:00Z, got {_shown(written)}")
    if happened > now + FUTURE_SECONDS:
        raise EventError(
            f"time: wanted a time that has passed, got {_shown(written)}, {happened - now:.0f} s ahead of this "
            "machine; set the clock that is wrong"
        )
    return happened


def _refuse(constant: str) -> Any:
    raise EventError(f"wanted an event as JSON, got {constant}, which JSON does not have")


def _shown(value: Any) -> str:
    return f"{value!r:.80}"
