"""Shows the progress of a run of any world, with the laptop runner's display."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import localrun
from localrun import events as runner_events
from localrun.display import progress
from mlops.runs import events
from mlops.runs.record import Run, Task


@contextmanager
def shown(*, quiet: bool = False) -> Iterator[Callable[[events.Event], None]]:
    """Yield a function that shows events: in a live table on a terminal, as lines elsewhere, not when `quiet`."""
    with progress.shown(quiet=quiet) as show:
        yield lambda event: show(_event(event))


def _event(event: events.Event) -> runner_events.Event:
    shown_as: runner_events.Event
    match event:
        case events.RunStarted():
            tasks = tuple(_task(task) for task in event.tasks)
            shown_as = runner_events.RunStarted(event.run_id, event.pipeline, event.folder, tasks)
        case events.WorkerStarting():
            shown_as = runner_events.HostStarting(event.image)
        case events.WorkerReady():
            shown_as = runner_events.HostReady(event.image, event.seconds)
        case events.TaskChanged():
            shown_as = runner_events.TaskChanged(_task(event.task))
        case events.TaskRetrying():
            shown_as = runner_events.TaskRetrying(_task(event.task), event.delay)
        case events.Noted():
            shown_as = runner_events.Noted(event.text)
        case events.RunEnded():
            shown_as = runner_events.RunFinished(_run(event.run))
    return shown_as


def _run(run: Run) -> localrun.Run:
    return localrun.Run(
        run.run_id,
        run.pipeline,
        localrun.State(run.state.value),
        run.parameters,
        run.started,
        run.seconds,
        run.folder,
        run.error,
        tuple(_task(task) for task in run.tasks),
    )


def _task(task: Task) -> localrun.TaskRun:
    return localrun.TaskRun(
        task.path,
        task.name,
        "",
        task.stage,
        state=localrun.State(task.state.value),
        cached=task.cached,
        seconds=task.seconds,
        max_rss_bytes=task.max_rss_bytes,
        attempts=task.attempts,
        error=task.error,
        log=task.log,
    )
