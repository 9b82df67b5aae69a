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
from localrun.environments.default import default_environments
from localrun.environments.docker import with_containers
from localrun.environments.environment import Environment, check_images, in_any_registry
from localrun.environments.record import written as written_environments
from localrun.environments.requirements import check_requirements
from localrun.environments.secrets import with_secrets
from localrun.events import Noted, RunFinished, RunStarted
from localrun.execution.context import Context
from localrun.execution.given import (
    INPUTS,
    Concern,
    accepted,
    checked,
    concerns,
    inputs,
    read,
    written,
)
from localrun.execution.history import ENVIRONMENTS, as_run, existing, known_environments, pipeline_of, row_of
from localrun.execution.options import Options
from localrun.execution.roster import fresh
from localrun.execution.scheduler import Scheduler
from localrun.graph.foreseen import check_importers, with_images
from localrun.graph.nodes import leaves
from localrun.hosts.hosts import Hosts
from localrun.records import Run, State, TaskRun, Values
from localrun.spec.pipeline import Pipeline
from localrun.spec.source import Source, opened
from localrun.store.adoption import tidy
from localrun.store.codec import Codec
from localrun.store.journal import Journal, RunRow
from localrun.store.layout import STORE, Layout, alone, locked, new_run_folder, sweep, write_atomically


def run(
    pipeline: Source,
    parameters: Mapping[str, Any] | None = None,
    *,
    store: Path = STORE,
    environments: Mapping[str, Environment] | None = None,
    options: Options | None = None,
    **named: Any,
) -> Run:
    """Run a pipeline and return how it ended; a failed task is in the result, not an exception.

    The pipeline is a compiled file, its content, or a pipeline function; its parameters are named as in a call, or
    given as a mapping; an input artifact is given as a path. Without `environments` every image is this Python in the
    current folder.

    Raises LocalrunError before anything has run: a pipeline that is invalid or not supported, a parameter that does
    not fit, an image without environment, a store that cannot be used.
    """
    options = options or Options()
    loaded, values = _given(opened(pipeline), {**(parameters or {}), **named})
    known, warnings = _checked(loaded, environments, options)
    layout = Layout(Path(store).absolute())
    with contextlib.closing(Journal(layout)) as journal, ExitStack() as stack:
        row = _recorded(layout, journal, loaded, values, options)
        stack.enter_context(locked(layout, row.run_id))
        runtime = _runtime(layout, row)
        context = Context(loaded, row.run_id, values, runtime, layout, journal, known, options, options.hosts)
        return _execute(context, row, warnings)


def validate(
    pipeline: Source,
    parameters: Mapping[str, Any] | None = None,
    *,
    environments: Mapping[str, Environment] | None = None,
    options: Options | None = None,
    **named: Any,
) -> Pipeline:
    """Check all that `run` checks before anything runs, raise what it raises, and return the loaded pipeline."""
    loaded, _ = _given(opened(pipeline), {**(parameters or {}), **named})
    _checked(loaded, environments, options or Options())
    return loaded


def create(
    pipeline: Source,
    parameters: Mapping[str, Any],
    *,
    store: Path,
    options: Options | None = None,
) -> str:
    """Record a run of a pipeline without starting it, and return its id; `resume` starts it.

    Raises LocalrunError for a pipeline that is invalid or not supported, and a parameter that does not fit.
    """
    options = options or Options()
    loaded, values = _given(opened(pipeline), parameters)
    accepted([*concerns(loaded)], checked(options.accept))
    layout = Layout(Path(store).absolute())
    with contextlib.closing(Journal(layout)) as journal:
        return _recorded(layout, journal, loaded, values, options).run_id


def resume(
    run_id: str,
    *,
    store: Path = STORE,
    environments: Mapping[str, Environment] | None = None,
    options: Options | None = None,
) -> Run:
    """Go on with a run that was interrupted, cancelled or failed; what has succeeded is not run again.

    Without `environments`, those that the run was started with.
    Raises StoreError for an unknown run, or one that another process executes.
    """
    options = options or Options()
    layout = existing(store)
    with contextlib.closing(Journal(layout)) as journal:
        row = row_of(journal, run_id)
        with ExitStack() as stack:
            with alone(layout):
                stack.enter_context(locked(layout, run_id))
            loaded = with_images(pipeline_of(layout, row), row.parameters)
            environments = environments or known_environments(run_id, loaded, store=store)
            known, warnings = _checked(loaded, environments, options)
            values, runtime = read(layout.run(run_id), row.parameters, layout.root), _runtime(layout, row)
            context = Context(loaded, run_id, values, runtime, layout, journal, known, options, options.hosts)
            return _execute(context, replace(row, state=State.RUNNING, error=""), warnings)


def _recorded(layout: Layout, journal: Journal, pipeline: Pipeline, values: Values, options: Options) -> RunRow:
    """Give a run its folder and its row in the journal."""
    with alone(layout):
        sweep(layout, journal.run_ids())
        started = options.clock()
        run_id = new_run_folder(layout, f"{pipeline.name}-{started:%Y%m%d%H%M%S}")
        with locked(layout, run_id):
            write_atomically(layout.run(run_id) / "pipeline.yaml", pipeline.text, durably=True)
            if values.artifacts or values.lists:
                write_atomically(layout.run(run_id) / INPUTS, written(values, layout.root), durably=True)
            given = dict(values.parameters)
            row = RunRow(run_id, pipeline.name, pipeline.digest, State.RUNNING, given, started, 0.0, "", Values())
            journal.write_run(row)
            journal.flush()
        return row


def _given(pipeline: Pipeline, parameters: Mapping[str, Any]) -> tuple[Pipeline, Values]:
    """Check what a pipeline is given, and all that is known with it before a task has run."""
    values = inputs(pipeline, parameters)
    check_importers(pipeline, values.parameters)
    return with_images(pipeline, values.parameters), values


def _checked(
    pipeline: Pipeline, environments: Mapping[str, Environment] | None, options: Options
) -> tuple[Mapping[str, Environment], list[str]]:
    """Return an environment for every image of the pipeline and the warnings, or say what is missing."""
    accept = checked(options.accept)
    warnings = accepted([*concerns(pipeline)], accept)
    chosen = default_environments(pipeline) if environments is None else environments
    known = with_containers(pipeline, in_any_registry(pipeline, chosen))
    check_images(pipeline, known)
    packages = [Concern("packages", text) for text in check_requirements(pipeline, known)]
    return with_secrets(pipeline, known), warnings + accepted(packages, accept)


def _execute(context: Context, row: RunRow, warnings: list[str]) -> Run:
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
        write_atomically(
            layout.run(row.run_id) / ENVIRONMENTS, written_environments(context.environments), durably=False
        )
        options.on_event(RunStarted(row.run_id, row.pipeline, layout.run(row.run_id), tuple(tasks.values())))
        for warning in warnings:
            options.on_event(Noted(f"warning: {warning}"))
        scheduler.run()
    state = scheduler.graph.state
    error = {State.SUCCEEDED: "", State.CANCELLED: scheduler.cancelled}.get(state, scheduler.graph.error)
    row = replace(
        row, state=state, seconds=row.seconds + time.monotonic() - began, error=error, outputs=scheduler.graph.outputs
    )
    result = as_run(layout, row, tuple(scheduler.roster.tasks.values()))
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
