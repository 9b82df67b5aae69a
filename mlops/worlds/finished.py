"""What a run that has ended leaves: its report, its record, its summary and its lineage."""

from pathlib import Path

from core.backends.metadata import open_metadata
from core.store import Store
from mlops.report.outcome import Outcome, outcome_of
from mlops.report.render import write_report
from mlops.runs.history import write_run
from mlops.runs.lineage import facts_of
from mlops.runs.record import Run
from pipelines.compiled import wiring_digest


def finish(run: Run, store: Store) -> tuple[Outcome, Path]:
    """Keep a run that has ended, however it ended; returns its outcome and its report's path."""
    outcome = outcome_of(run)
    report = write_report(outcome, run.folder / "report.html")
    compiled = wiring_digest(run.folder / "pipeline.yaml")
    write_run(run, outcome.as_json(report) | {"code": run.submission.code, "compiled": compiled})
    open_metadata(store.metadata).record(facts_of(run))
    return outcome, report
