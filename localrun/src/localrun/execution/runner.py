"""Starts and resumes runs: gives a run its folder and its lock, then hands over to the scheduler."""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from localrun.display.page import write_pages
from localrun.environments.docker import with_containers
from localrun.environments.environment import Environment, check_images, in_any_registry
from localrun.environments.requirements import check_requirements
from localrun.errors import StoreError, nearest
from localrun.events import RunFinished, RunStarted
from localrun.execution.context import Context
from localrun.execution.options import Options
from localrun.execution.roster import fresh
from localrun.execution.scheduler import Scheduler
from localrun.graph.nodes import leaves
from localrun.hosts.hosts import Hosts
from localrun.records import Run, RunSummary, State, TaskRun, Values
from localrun.spec.load import load
from localrun.spec.parameters import given
from localrun.spec.pipeline import Pipeline
from localrun.store.adoption import tidy
from localrun.store.codec import Codec
from localrun.store.journal import Journal, RunRow
from localrun.store.layout import Layout, alone, is_owned, locked, new_run_folder, sweep, write_atomically


def run(
    pipeline: Path,
    parameters: Mapping[str, Any],
    *,
    store: Path,
    environments: Mapping[str, Environment],
    options: Options | None = None,
) -> Run:
    """Run a compiled pipeline and return how it ended; a failed task is in the result, not an exception.

    Raises LocalrunError before anything has run: a pipeline that is invalid or not supported, a parameter that does
    not fit, an image without environment, a store that cannot be used.
    """
    options = options or Options()
    loaded = load(Path(pipeline))
    layout = Layout(Path(store).absolute())
    environments = _checked(loaded, environments)
    values = given(parameters, loaded.root.input_parameters)
    with contextlib.closing(Journal(layout)) as journal, ExitStack() as stack:
        row = _recorded(layout, journal, loaded, values, options)
        stack.enter_context(locked(layout, row.run_id))
        runtime = _runtime(layout, row)
        return _execute(
            Context(loaded, row.run_id, values, runtime, layout, journal, environments, options, options.hosts), row
        )


def create(pipeline: Path, parameters: Mapping[str, Any], *, store: Path, options: Options | None = None) -> str:
    """Record a run of a compiled pipeline without starting it, and return its id; `resume` starts it.

    Raises LocalrunError for a pipeline that is invalid or not supported, and a parameter that does not fit.
    """
    loaded = load(Path(pipeline))
    layout = Layout(Path(store).absolute())
    values = given(parameters, loaded.root.input_parameters)
    with contextlib.closing(Journal(layout)) as journal:
        return _recorded(layout, journal, loaded, values, options or Options()).run_id


def reopen(run_id: str, *, store: Path) -> None:
    """Take back the end of a run that failed or was cancelled: it counts as interrupted until `resume` goes on with it.

    Raises StoreError for an unknown run, one that has succeeded, or one that another process executes.
    """
    layout = _existing(store)
    with contextlib.closing(Journal(layout)) as journal, alone(layout), locked(layout, run_id):
        row = _known(journal, run_id)
        if row.state is State.SUCCEEDED:
            raise StoreError(f"run {run_id} has succeeded; nothing of it is left to run")
        journal.write_run(replace(row, state=State.RUNNING, error=""))
        journal.flush()


def resume(run_id: str, *, store: Path, environments: Mapping[str, Environment], options: Options | None = None) -> Run:
    """Go on with a run that was interrupted, cancelled or failed; what has succeeded is not run again.

    Raises StoreError for an unknown run, or one that another process executes.
    """
    options = options or Options()
    layout = _existing(store)
    with contextlib.closing(Journal(layout)) as journal:
        row = _known(journal, run_id)
        with ExitStack() as stack:
            with alone(layout):
                stack.enter_context(locked(layout, run_id))
            loaded = load(layout.run(run_id) / "pipeline.yaml")
            if loaded.digest != row.digest:
                raise StoreError(
                    f"{layout.run(run_id) / 'pipeline.yaml'}: is not the pipeline that the run was started with"
                )
            environments = _checked(loaded, environments)
            context = Context(
                loaded,
                run_id,
                row.parameters,
                _runtime(layout, row),
                layout,
                journal,
                environments,
                options,
                options.hosts,
            )
            return _execute(context, replace(row, state=State.RUNNING, error=""))


def runs(store: Path) -> list[RunSummary]:
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
    layout = _existing(store)
    with contextlib.closing(Journal(layout)) as journal:
        row = _known(journal, run_id)
        return _as_run(layout, replace(row, state=_state(layout, row)), tuple(journal.tasks(run_id)))


def _recorded(
    layout: Layout, journal: Journal, pipeline: Pipeline, values: Mapping[str, Any], options: Options
) -> RunRow:
    """Give a run its folder and its row in the journal."""
    with alone(layout):
        sweep(layout, journal.run_ids())
        started = options.clock()
        run_id = new_run_folder(layout, f"{pipeline.name}-{started:%Y%m%d%H%M%S}")
        with locked(layout, run_id):
            write_atomically(layout.run(run_id) / "pipeline.yaml", pipeline.text, durably=True)
            row = RunRow(
                run_id, pipeline.name, pipeline.digest, State.RUNNING, dict(values), started, 0.0, "", Values()
            )
            journal.write_run(row)
            journal.flush()
        return row


def _existing(store: Path) -> Layout:
    layout = Layout(Path(store).absolute())
    if not layout.journal.exists():
        raise StoreError(f"{layout.root}: no store: no run has been started here")
    return layout


def _known(journal: Journal, run_id: str) -> RunRow:
    row = journal.run(run_id)
    if row is None:
        raise StoreError(f"no run {run_id!r}{nearest(run_id, sorted(journal.run_ids())[-200:])}")
    return row


def _state(layout: Layout, row: RunRow) -> State:
    """A run that is RUNNING in the journal but that no process executes was interrupted."""
    return State.INTERRUPTED if row.state is State.RUNNING and not is_owned(layout, row.run_id) else row.state


def _as_run(layout: Layout, row: RunRow, tasks: tuple[TaskRun, ...]) -> Run:
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


def _checked(pipeline: Pipeline, environments: Mapping[str, Environment]) -> Mapping[str, Environment]:
    """Return an environment for every image of the pipeline, or say which one is missing what."""
    known = with_containers(pipeline, in_any_registry(pipeline, environments))
    check_images(pipeline, known)
    check_requirements(pipeline, known)
    return known


def _execute(context: Context, row: RunRow) -> Run:
    began = time.monotonic()
    layout, journal, options = context.layout, context.journal, context.options
    tasks = _tasks(context)
    for position, task in enumerate(tasks.values()):
        journal.write_task(row.run_id, position, task)
    journal.write_run(row)
    journal.flush()
    with ExitStack() as stack:
        if context.hosts is None:
            context = replace(context, hosts=stack.enter_context(Hosts()))
        scheduler = Scheduler(context, tasks)
        stack.enter_context(_signals(scheduler))
        options.on_event(RunStarted(row.run_id, row.pipeline, layout.run(row.run_id), tuple(tasks.values())))
        scheduler.run()
    state = scheduler.graph.state
    error = {State.SUCCEEDED: "", State.CANCELLED: scheduler.cancelled}.get(state, scheduler.graph.error)
    row = replace(
        row, state=state, seconds=row.seconds + time.monotonic() - began, error=error, outputs=scheduler.graph.outputs
    )
    result = _as_run(layout, row, tuple(scheduler.roster.tasks.values()))
    write_atomically(
        layout.run(row.run_id) / "run.json", json.dumps(Codec(layout.root).run(result), indent=2), durably=False
    )
    write_pages(context.pipeline, result)
    journal.write_run(row)
    journal.flush()
    options.on_event(RunFinished(result))
    return result


def _tasks(context: Context) -> dict[str, TaskRun]:
    """All known tasks of a run by path: succeeded ones as they are, others reset but for their count of attempts."""
    tasks = {path: fresh(path, component) for path, _, component in leaves(context.pipeline)}
    for known in tidy(context.layout, context.journal, context.run_id):
        reset = TaskRun(known.path, known.name, known.component, known.function, known.image, attempts=known.attempts)
        tasks[known.path] = known if known.state is State.SUCCEEDED else reset
    return tasks


def _runtime(layout: Layout, row: RunRow) -> dict[str, str]:
    created = row.started.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "pipeline_job_name": row.run_id,
        "pipeline_job_resource_name": row.run_id,
        "pipeline_job_uuid": row.run_id,
        "pipeline_root": str(layout.root / "artifacts" / row.pipeline),
        "pipeline_job_create_time_utc": created,
        "pipeline_job_schedule_time_utc": created,
    }


@contextlib.contextmanager
def _signals(scheduler: Scheduler) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in order; a second one does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        scheduler.cancel(kill=asked)
        asked = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
