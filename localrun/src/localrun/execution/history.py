"""What a store knows of its runs, without executing anything."""

import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path

from localrun.environments.default import default_environments
from localrun.environments.environment import Environment
from localrun.environments.record import read
from localrun.errors import StoreError, nearest
from localrun.records import Run, RunSummary, State, TaskRun
from localrun.spec.load import load
from localrun.spec.pipeline import Pipeline
from localrun.store.journal import Journal, RunRow
from localrun.store.layout import STORE, Layout, alone, is_owned, locked

ENVIRONMENTS = "environments.json"
"""In the folder of a run: what stood for the images."""


def runs(store: Path = STORE) -> list[RunSummary]:
    """List the runs of a store, the newest first."""
    layout = Layout(Path(store).absolute())
    if not layout.journal.exists():
        return []
    with contextlib.closing(Journal(layout)) as journal:
        return [
            RunSummary(row.run_id, row.pipeline, _state(layout, row), row.started, row.seconds)
            for row in journal.runs()
        ]


def show(store: Path, run_id: str) -> Run:
    """Return a run as the journal has it; StoreError for an unknown run."""
    layout = existing(store)
    with contextlib.closing(Journal(layout)) as journal:
        row = row_of(journal, run_id)
        return as_run(layout, replace(row, state=_state(layout, row)), tuple(journal.tasks(run_id)))


def reopen(run_id: str, *, store: Path) -> None:
    """Take back the end of a run that failed or was cancelled: it counts as interrupted until `resume` goes on with it.

    Raises StoreError for an unknown run, one that has succeeded, or one that another process executes.
    """
    layout = existing(store)
    with contextlib.closing(Journal(layout)) as journal, alone(layout), locked(layout, run_id):
        row = row_of(journal, run_id)
        if row.state is State.SUCCEEDED:
            raise StoreError(f"run {run_id} has succeeded; nothing of it is left to run")
        journal.write_run(replace(row, state=State.RUNNING, error=""))
        journal.flush()


def stored_pipeline(run_id: str, *, store: Path = STORE) -> Pipeline:
    """Return the pipeline of a run; StoreError for an unknown run."""
    layout = existing(store)
    with contextlib.closing(Journal(layout)) as journal:
        return pipeline_of(layout, row_of(journal, run_id))


def known_environments(run_id: str, pipeline: Pipeline, *, store: Path = STORE) -> dict[str, Environment]:
    """Return what stood for the images when a run was last executed; the defaults for what is not recorded."""
    recorded = read(Layout(Path(store).absolute()).run(run_id) / ENVIRONMENTS)
    return {**default_environments(pipeline), **recorded} if recorded else default_environments(pipeline)


def existing(store: Path) -> Layout:
    """Return the layout of a store; StoreError where no run has been started."""
    layout = Layout(Path(store).absolute())
    if not layout.journal.exists():
        raise StoreError(f"{layout.root}: no store: no run has been started here")
    return layout


def row_of(journal: Journal, run_id: str) -> RunRow:
    """Return the row of a run; StoreError for an unknown one."""
    row = journal.run(run_id)
    if row is None:
        raise StoreError(f"no run {run_id!r}{nearest(run_id, sorted(journal.run_ids())[-200:])}")
    return row


def pipeline_of(layout: Layout, row: RunRow) -> Pipeline:
    """Load the pipeline of a run; StoreError when its file is not, byte for byte, what the run was started with."""
    path = layout.run(row.run_id) / "pipeline.yaml"
    try:
        digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; restore it, or start a new run") from error
    if digest != row.digest:
        raise StoreError(f"{path}: is not the pipeline that the run was started with; restore it, or start a new run")
    return load(path)


def as_run(layout: Layout, row: RunRow, tasks: tuple[TaskRun, ...]) -> Run:
    """Put a run together from its row and its tasks."""
    return Run(
        row.run_id,
        row.pipeline,
        row.state,
        row.parameters,
        row.started,
        row.seconds,
        layout.run(row.run_id),
        row.error,
        tasks,
        row.outputs,
    )


def _state(layout: Layout, row: RunRow) -> State:
    """A run that is RUNNING in the journal but that no process executes was interrupted."""
    return State.INTERRUPTED if row.state is State.RUNNING and not is_owned(layout, row.run_id) else row.state
