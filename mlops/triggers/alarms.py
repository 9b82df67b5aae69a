"""Turns the alarms of a monitor into facts; an alarm that lasts is one fact per window, whoever sends it how often."""

from collections.abc import Iterator
from typing import Any

from artifacts.feedback.findings import Findings
from core.digest import of_bytes
from mlops.triggers.fact import event_of


def events_of(findings: Findings, now: float) -> Iterator[dict[str, Any]]:
    """Yield an event for each cause of alarms that retraining may help with.

    The id follows from the cause, the version in production and the window's number, so that two monitors of the same
    model, or one that is started again, send the same fact.
    """
    for cause in findings.causes:
        content = f"{cause} {findings.model} {findings.champion} {findings.period}"
        id_ = f"{cause}-{findings.period}@{of_bytes(content.encode())}"
        rules = [str(alarm) for alarm in findings.alarms if alarm.cause == cause]
        event = event_of(cause, findings.model, source=f"/monitor/{findings.model}", id_=id_, now=now)
        yield event | {"data": {"as_of": findings.as_of, "champion": findings.champion, "rules": rules[:20]}}
