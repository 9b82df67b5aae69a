"""Keeps what is needed of a run that has ended: its report, record, summary and lineage."""

from pathlib import Path

from core.backends.metadata import open_metadata
from core.store import Store
from mlops.report.outcome import Outcome, outcome_of
from mlops.report.render import write_report
from mlops.runs.history import write_run
from mlops.runs.lineage import facts_of
from mlops.runs.record import Run
from mlops.worlds.world import RunRequest, Watcher, World
from pipelines.compiled import wiring_digest


def follow_to_end(world: World, run_id: str, watcher: Watcher, deadline: float | None = None) -> tuple[Outcome, Path]:
    """Follow a run to its end and keep it; return its outcome and the path of its report.

    Raises MlopsError when the deadline, in seconds, passes first.
    """
    return finish(world.follow(run_id, watcher, deadline), world.store)


def run_to_end(world: World, request: RunRequest, watcher: Watcher = lambda _: None) -> tuple[Outcome, Path]:
    """Submit a run, follow it to its end and keep it; return its outcome and the path of its report."""
    return follow_to_end(world, world.submit(request).run_id, watcher)


def finish(run: Run, store: Store) -> tuple[Outcome, Path]:
    """Keep a run that has ended, succeeded or not; return its outcome and the path of its report."""
    outcome = outcome_of(run)
    report = write_report(outcome, run.folder / "report.html")
    compiled = wiring_digest(run.folder / "pipeline.yaml")
    write_run(run, outcome.as_json(report) | {"code": run.submission.code, "compiled": compiled})
    open_metadata(store.metadata).record(facts_of(run))
    return outcome, report
