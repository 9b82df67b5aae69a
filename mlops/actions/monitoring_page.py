"""Gathers what `monitoring.html` shows: decisions over time, live metrics, each feature now beside training."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.backends.registry import open_registry
from core.decision import Decision
from core.errors import MlopsError
from core.pictures import Markup
from core.store import Store
from mlops.actions.status import Alarm, Status, elapsed, run_folders, verdict_of
from mlops.report.chart import Chart, Mark, Point, Series
from mlops.report.monitoring import DecidedRun, MonitoringPage, write_monitoring
from mlops.runs.history import read_run, read_summary
from mlops.runs.record import Run, State
from pipelines.kinds import Kind

MOST_RUNS = 40
"""Columns of the table of decisions."""
FEEDBACK = ("feedback", "feedback.json")
"""The output of a monitoring run, and its file, that has the live metrics."""


def write_page(store: Store, status: Status, target: Path, now: float) -> Path:
    """Write the page of a use case, and return its path."""
    return write_monitoring(page_of(store, status, now), target)


def page_of(store: Store, status: Status, now: float) -> MonitoringPage:
    """Read runs, registry and the newest monitoring run of a use case."""
    monitoring = run_folders(store, status.usecase, Kind.MONITORING)
    trained = run_folders(store, status.usecase, Kind.TRAINING)
    newest = _record(store, monitoring[-1].name) if monitoring else None
    runs = _decided(store, [folder.name for folder in (*trained, *monitoring)])
    verdict = next((run.verdict for run in reversed(runs) if run.kind == Kind.MONITORING.value), "")
    return MonitoringPage(
        usecase=status.usecase,
        written=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        verdict="fail" if _failed(status) else verdict or "undecided",
        headline=_headline(verdict, status),
        in_production=_in_production(status, now),
        facts=list(_facts(status)),
        alarms=status.alarms,
        runs=runs,
        charts=list(_charts(newest, _deployments(store, status.usecase))) or list(_observed(store, monitoring)),
        pictures=list(_pictures(newest)) if newest else (),
        pictures_of=newest.run_id if newest else "",
    )


def _headline(verdict: str, status: Status) -> str:
    if verdict == "pass" and not status.alarms:
        return "The monitor found nothing that a person must check"
    if failed := _failed(status):
        return f"{len(failed)} alarm{'s are' if len(failed) > 1 else ' is'} open: {failed[0].what}"
    return "Nothing was monitored yet" if not verdict else "The monitor could not decide"


def _failed(status: Status) -> list[Alarm]:
    return [alarm for alarm in status.alarms if alarm.verdict == "fail"]


def _in_production(status: Status, now: float) -> str:
    found = status.in_production
    if found is None:
        return "nothing is in production"
    return f"version {found.version} in production for {elapsed(found.since, now)}"


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    if found := status.in_production:
        since = found.since[:16].replace("T", " ")
        yield "In production", f"version {found.version} since {since} UTC, {found.action}, {found.digest}"
        if found.canary:
            yield "Canary", f"version {found.canary['version']} at {found.canary['percent']:g} %"
    else:
        yield "In production", "nothing"
    for slot in status.next:
        yield "Next", f"{slot.at[:16].replace('T', ' ')} UTC, schedule {slot.schedule} ({slot.pipeline})"
    for reason in status.open_decisions:
        yield "Running", reason
    if status.waiting_facts:
        yield "Waiting facts", str(status.waiting_facts)
    for letter in status.dead_letters:
        yield "Dead letter", f"{letter.name}: {letter.why}"


def _decided(store: Store, run_ids: Sequence[str]) -> list[DecidedRun]:
    """The newest runs, the oldest of them first."""
    found = []
    for run_id in run_ids:
        summary = read_summary(store, run_id)
        if summary is None:
            continue
        verdicts = {decision["gate"]: decision["verdict"] for decision in summary["decisions"]}
        about = (run_id, summary["kind"], summary["started"], summary["headline"], verdict_of(summary))
        found.append(DecidedRun(*about, verdicts))
    return sorted(found, key=lambda run: run.started)[-MOST_RUNS:]


def _record(store: Store, run_id: str) -> Run | None:
    try:
        return read_run(store, run_id)
    except MlopsError:
        return None


def _pictures(run: Run) -> Iterator[tuple[str, Markup]]:
    for task in run.tasks:
        path = task.output_file("pictures")
        if path is not None:
            yield task.name, Markup(path.read_text(encoding="utf-8"))


def _deployments(store: Store, name: str) -> list[Mark]:
    registry = open_registry(store.registry)
    if name not in registry.names():
        return []
    moves = registry.history(name)
    return [Mark(_seconds(move["at"]), f"v{move['version']}") for move in moves]


def _charts(run: Run | None, deployments: Sequence[Mark]) -> Iterator[Chart]:
    """A chart for each live metric of the newest monitoring run, with the deployments that the log shows."""
    feedback = _feedback(run) if run else None
    if not feedback:
        return
    answered = [Mark(_seconds(since), f"v{version}") for version, since in feedback.get("deployments", ())]
    points = [one for one in feedback.get("points", ()) if one["role"] != "shadow"]
    watched = _watched(run) if run else set()
    names = {name for one in points for name in one["metrics"]}
    for metric in sorted(names, key=lambda name: (name not in watched, name)):
        by_version: dict[str, list[Point]] = {}
        for one in points:
            measured = one["metrics"].get(metric, {"value": None, "low": None, "high": None})
            point = Point(_seconds(one["window"]["end"]), measured["value"], measured["low"], measured["high"])
            role = "" if one["role"] == "champion" else f" ({one['role']})"
            by_version.setdefault(f"version {one['version']}{role}", []).append(point)
        series = [Series(name, found) for name, found in by_version.items()]
        yield Chart(f"Live {metric}", series, answered or deployments, is_main=metric in watched or not watched)


def _watched(run: Run) -> set[str]:
    """The live metrics that the monitor has a bound for."""
    rules = [
        check.rule.split()
        for task in run.tasks
        if (path := task.output_file("decision")) is not None
        for check in Decision.read(path).checks
    ]
    return {rule[1] for rule in rules if rule[0] == "live" and len(rule) > 1}


def _feedback(run: Run) -> dict[str, Any] | None:
    for task in run.tasks:
        artifact = task.outputs.get(FEEDBACK[0])
        if artifact is None or task.state is not State.SUCCEEDED:
            continue
        path = artifact.path / FEEDBACK[1]
        if path.is_file():
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return content
    return None


def _observed(store: Store, folders: Sequence[Path]) -> Iterator[Chart]:
    """Without live metrics of its own: what each rule of the monitor observed, run by run."""
    found: dict[str, list[Point]] = {}
    bounds: dict[str, float] = {}
    for folder in folders[-MOST_RUNS:]:
        summary = read_summary(store, folder.name) or {"decisions": ()}
        checks = [check for decision in summary["decisions"] for check in decision["checks"]]
        for check in filter(_is_measured, checks):
            at = datetime.strptime(summary["started"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
            found.setdefault(check["rule"], []).append(Point(at.timestamp(), check["observed"]))
            bounds[check["rule"]] = check["threshold"]
    for rule, points in found.items():
        yield Chart(rule, [Series("observed", points)], (), bounds[rule])


def _is_measured(check: dict[str, Any]) -> bool:
    """Whether a check compared a number of all rows with a bound."""
    return isinstance(check["observed"], float) and isinstance(check["threshold"], float) and not check["slice"]


def _seconds(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()
