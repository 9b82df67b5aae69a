"""Polls one pipeline job until it ends."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import localrun
from core import objects
from core.errors import MlopsError, StoreError
from mlops.runs.events import Event, Noted, RunEnded, RunStarted, TaskChanged
from mlops.runs.record import Run, State, Task
from mlops.runs.submission import Submission
from mlops.worlds import kfp_run
from mlops.worlds.kfp_metadata import Execution
from mlops.worlds.kfp_watch import with_integers
from mlops.worlds.polling import until_ended
from mlops.worlds.vertex import tasks
from mlops.worlds.vertex.api import Api
from mlops.worlds.vertex.job import DEADLINE

PAUSE = 10.0
"""Seconds between two polls: 600 calls a minute are the quota of a whole project."""
_DECISION = "decision"


class Watch:
    """Polls one job."""

    def __init__(self, api: Api, folder: Path, submission: Submission) -> None:
        """Watch the run whose folder, named by its id, holds the compiled pipeline that was submitted."""
        self._api = api
        self._folder = folder
        self._submission = submission
        pipeline = localrun.load(folder / "pipeline.yaml")
        self._name = pipeline.name
        self._plan = kfp_run.planned(pipeline)
        self._known = {task.path: task for task in self._plan}
        self._cancelled = False

    def now(self) -> Run:
        """Return the run as it is now; when it has ended, its small outputs are copied to its folder."""
        return self._poll(lambda _: None)

    def until_ended(self, deadline: float | None, on_event: Callable[[Event], None]) -> Run:
        """Poll until the job has ended, as `mlops.worlds.polling` says; one that outlives its limit is cancelled."""
        first = tuple(task for task in self._plan if kfp_run.ANY not in task.path)
        on_event(RunStarted(self._folder.name, self._name, self._folder, first))
        run = until_ended(lambda: self._poll(on_event), deadline, PAUSE, self._late)
        on_event(RunEnded(run))
        return run

    def _poll(self, on_event: Callable[[Event], None]) -> Run:
        job = self._api.job(self._folder.name)
        found = tasks.executions(job)
        observed = kfp_run.observed(self._plan, (execution for execution, _ in found.values()))
        for task in observed.tasks:
            if self._known.get(task.path) != task:
                on_event(TaskChanged(task))
        self._known = {task.path: task for task in observed.tasks}
        state = tasks.JOB_STATES.get(job.state.name, State.RUNNING)
        if state.is_final:
            settled = kfp_run.settled(observed.tasks, state)
            kept = tuple(self._kept(task, observed.executions, job, found) for task in settled)
            return self._run(job, state, kept)
        self._cancel_if_late(job, on_event)
        return self._run(job, state, observed.tasks)

    def _kept(self, task: Task, made: Mapping[str, Execution], job: Any, found: Mapping[str, Any]) -> Task:
        """Copy what the report shows of a task to the run's folder."""
        execution = made.get(task.path)
        if task.state is State.SUCCEEDED and execution is not None:
            return kfp_run.collected(task, execution, self._folder)
        if task.state is State.FAILED:
            detail = found[execution.id][1] if execution is not None else None
            return kfp_run.failed(task, self._log(job, detail), self._folder)
        return task

    def _log(self, job: Any, detail: Any) -> str:
        """Return what is known of a failed task: the reason, where its logs are, and its gate's decision."""
        if detail is None:
            return f"Vertex AI never started it: {job.error.message}"
        lines = []
        with suppress(StoreError):  # no gate, or it failed before it decided
            decision = objects.read(tasks.output_address(job, detail, _DECISION)).decode().replace("\n", " ")
            lines.append(f"decision: {decision}")
        lines.append(tasks.reason(detail))
        link = tasks.logs_link(detail, self._api.deployment.project)
        return "\n".join([*lines, f"logs: {link}"] if link else lines)

    def _cancel_if_late(self, job: Any, on_event: Callable[[Event], None]) -> None:
        if self._cancelled or not tasks.is_late(job):
            return
        self._cancelled = True
        with suppress(MlopsError):  # it may have ended meanwhile
            self._api.cancel_job(self._folder.name)
        limit = job.labels[DEADLINE]
        on_event(Noted(f"cancelled {self._folder.name}: it has run longer than its steps may, {limit} s in all"))

    def _run(self, job: Any, state: State, known: tuple[Task, ...]) -> Run:
        began = tasks.time_of(job.create_time) or datetime.now(UTC)
        ended = tasks.time_of(job.end_time) or tasks.time_of(job.update_time) or began
        return Run(
            run_id=self._folder.name,
            pipeline=self._name,
            submission=self._submission,
            state=state,
            parameters=with_integers(_parameters(job)),
            started=began,
            seconds=(ended - began).total_seconds() if state.is_final else 0.0,
            folder=self._folder,
            error=str(job.error.message or ""),
            tasks=known,
        )

    def _late(self, deadline: float) -> str:
        going = ", ".join(f"{path} {one.state.lower()}" for path, one in self._known.items() if not one.state.is_final)
        return (
            f"run {self._folder.name} has not ended within {deadline / 60:g} minutes ({going})"
            f"\nThe run goes on; follow it again with: mlops runs follow {self._folder.name}"
        )


def _parameters(job: Any) -> dict[str, Any]:
    from google.protobuf import json_format  # noqa: PLC0415 - the job has it imported by now

    values: dict[str, Any] = json_format.MessageToDict(type(job).pb(job).runtime_config).get("parameterValues", {})
    return values
