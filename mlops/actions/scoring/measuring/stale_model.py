"""Sets a clock past the age that a model may have: the monitor's alarm must start one run, however often it is sent."""

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from artifacts.feedback.findings import Alarm, Findings
from components.monitor_model.performance import age_check
from core.backends.registry import ModelVersion
from core.decision import Verdict
from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from mlops.actions.scoring.measuring.given_feedback import feedback_of
from mlops.triggers.alarms import events_of
from mlops.triggers.dispatcher import Dispatcher
from mlops.triggers.handler import Handler
from mlops.triggers.journal import Journal
from mlops.triggers.launcher import Ended
from mlops.triggers.permitted import Configured
from mlops.triggers.records import State
from mlops.triggers.storage.file import FileStorage
from pipelines.config import UseCase
from pipelines.triggers import Trigger

DELIVERIES = 5
_WINDOW_SECONDS = 86_400.0


@dataclass
class _Counted:
    """A launcher that counts the runs that would start."""

    started: list[str] = field(default_factory=list)

    def content(self, usecase: str, trigger: Trigger) -> str:  # noqa: ARG002 - the protocol of a launcher
        return f"{usecase} {len(self.started)}"

    def same_run(self, content: str) -> str:  # noqa: ARG002
        return ""

    def started_by(self, decision: str) -> str:
        return decision if decision in self.started else ""

    def start(self, usecase: str, trigger: Trigger, decision: str) -> str:  # noqa: ARG002
        self.started.append(decision)
        return decision

    def finish(self, run_id: str) -> Ended:  # noqa: ARG002
        return Ended(State.DONE, "trained")

    def ended(self, run_id: str) -> Ended | None:
        return self.finish(run_id)


def measure(bench: Bench) -> dict[str, Any]:
    """Return the runs that start before the version is too old, and after."""
    usecase, version = bench.subject.usecase, bench.subject.version
    if version is None or not usecase.has("monitor_model") or usecase.triggers.performance is None:
        raise MlopsError("wanted a section monitor_model and triggers.performance in config.yaml")
    trigger, most = usecase.triggers.performance, usecase.monitor_model.staleness.max_model_age_days
    published = datetime.fromisoformat(version.created).astimezone(UTC)
    launcher, clock, before = _Counted(), [published.timestamp()], 0
    with tempfile.TemporaryDirectory(prefix="stale-") as temporary:
        journal = Journal(FileStorage(Path(temporary) / "journal.sqlite"))
        permitted = Configured({usecase.name: usecase.folder})
        handler = Handler(journal, permitted, lambda: clock[0])
        dispatcher = Dispatcher(journal, permitted, launcher, lambda: clock[0])
        for days in (0.0, most / 2, most * 0.99, most * 1.01):
            now = published + timedelta(days=days)
            clock[0] = now.timestamp()
            for event in _events(usecase, version, now) * DELIVERIES:
                handler.take(event)
            clock[0] += trigger.cool_down_seconds + trigger.debounce_seconds
            while dispatcher.work():
                pass
            before = len(launcher.started) if days < most else before
    return {"days": most, "deliveries": DELIVERIES, "before": before, "after": len(launcher.started) - before}


def _events(usecase: UseCase, version: ModelVersion, now: datetime) -> list[dict[str, Any]]:
    """Return what the monitor's rule about the age sends at a time."""
    check = age_check(usecase.monitor_model, feedback_of(version, now.isoformat()), version)
    alarms = []
    if check.verdict is Verdict.FAIL:
        alarms = [Alarm(cause="performance", rule=check.rule, observed=check.observed)]
    findings = Findings(
        model=usecase.name,
        champion=version.reference,
        as_of=now.isoformat(),
        period=int(now.timestamp() // _WINDOW_SECONDS),
        alarms=alarms,
        undecided=[],
        not_measured=[],
        live=None,
        points=[],
        deployments=[],
    )
    return list(events_of(findings, now.timestamp()))
