"""Translates the laptop runner's records and events into the product's."""

from pathlib import Path

import localrun
from localrun import events as runner_events
from localrun.store.digests import Digests
from mlops.runs import events
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission


def run_of(run: localrun.Run, submission: Submission) -> Run:
    """Translate a run."""
    return Run(
        run_id=run.run_id,
        pipeline=run.pipeline,
        submission=submission,
        state=State(run.state.value),
        parameters=dict(run.parameters),
        started=run.started,
        seconds=run.seconds,
        folder=run.folder,
        error=run.error,
        tasks=tuple(task_of(task) for task in run.tasks),
    )


def task_of(task: localrun.TaskRun) -> Task:
    """Translate a task."""
    return Task(
        path=task.path,
        stage=task.function,
        state=State(task.state.value),
        cached=task.cached,
        seconds=task.seconds,
        max_rss_bytes=task.max_rss_bytes,
        attempts=task.attempts,
        error=task.error,
        execution=task.execution,
        started=task.started,
        log=task.log,
        failed_outputs=task.failed_outputs,
        parameters=dict(task.inputs.parameters),
        inputs=_artifacts(task.inputs),
        outputs=_artifacts(task.outputs),
    )


def event_of(event: runner_events.Event, submission: Submission) -> events.Event:
    """Translate an event."""
    translated: events.Event
    match event:
        case runner_events.RunStarted():
            tasks = tuple(task_of(task) for task in event.tasks)
            translated = events.RunStarted(event.run_id, event.pipeline, event.folder, tasks)
        case runner_events.HostStarting():
            translated = events.WorkerStarting(event.image)
        case runner_events.HostReady():
            translated = events.WorkerReady(event.image, event.seconds)
        case runner_events.TaskChanged():
            translated = events.TaskChanged(task_of(event.task))
        case runner_events.TaskRetrying():
            translated = events.TaskRetrying(task_of(event.task), event.delay)
        case runner_events.Noted():
            translated = events.Noted(event.text)
        case runner_events.RunFinished():
            translated = events.RunEnded(run_of(event.run, submission))
    return translated


def content_digest(path: Path) -> str:
    """Digest a file or folder as the runner does, for comparison with an artifact's `digest`."""
    return Digests().of(path)


def _artifacts(values: localrun.Values) -> dict[str, Artifact]:
    """Translate the inputs or outputs of a task; several artifacts of one name become `name[0]`, `name[1]`..."""
    return {
        name: Artifact(one.type, one.uri, one.digest, dict(one.metadata))
        for name, one in values.every_artifact().items()
    }
