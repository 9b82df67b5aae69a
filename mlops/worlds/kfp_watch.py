"""Polls one run on a cluster until it ends."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import localrun
from mlops.cluster.access import reach
from mlops.cluster.site import KFP_NAMESPACE
from mlops.runs.events import Event, RunEnded, RunStarted, TaskChanged
from mlops.runs.record import Run, State, Task
from mlops.runs.submission import Submission
from mlops.worlds import kfp_run
from mlops.worlds.kfp_client import explained
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.kfp_metadata import Execution, KfpMetadata
from mlops.worlds.polling import until_ended

if TYPE_CHECKING:
    from kfp import Client

RUN_LABEL = "pipeline/runid"
"""Label of every pod of a run."""
_PAUSE = 2.0
"""Seconds between two polls."""
_STATES = {"SUCCEEDED": State.SUCCEEDED, "FAILED": State.FAILED, "CANCELED": State.CANCELLED, "SKIPPED": State.SKIPPED}


class Watch:
    """Polls one run."""

    def __init__(self, client: "Client", connection: Connection, folder: Path, submission: Submission) -> None:
        """Watch the run whose folder, named by its id, holds the compiled pipeline that was submitted."""
        self._client = client
        self._connection = connection
        self._run_id = folder.name
        self._folder = folder
        self._submission = submission
        self._metadata = KfpMetadata(connection.metadata) if connection.metadata else None
        pipeline = localrun.load(folder / "pipeline.yaml")
        self._name = pipeline.name
        self._plan = kfp_run.planned(pipeline)
        self._known = {task.path: task for task in self._plan}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._metadata is not None:
            self._metadata.close()

    def now(self) -> Run:
        """Return the run as it is now; when it has ended, its small outputs and logs are copied to its folder."""
        return self._poll(lambda _: None)

    def until_ended(self, deadline: float | None, on_event: Callable[[Event], None]) -> Run:
        """Poll until the run has ended, as `mlops.worlds.polling` says; its errors pass through."""
        first = tuple(task for task in self._plan if kfp_run.ANY not in task.path)
        on_event(RunStarted(self._run_id, self._name, self._folder, first))
        run = until_ended(lambda: self._poll(on_event), deadline, _PAUSE, self._late)
        on_event(RunEnded(run))
        return run

    def _poll(self, on_event: Callable[[Event], None]) -> Run:
        with explained(self._connection.api):
            answer = self._client.get_run(self._run_id)
        executions = self._metadata.executions(self._run_id) if self._metadata is not None else []
        observed = kfp_run.observed(self._plan, executions)
        for task in observed.tasks:
            if self._known.get(task.path) != task:
                on_event(TaskChanged(task))
        self._known = {task.path: task for task in observed.tasks}
        state = _STATES.get(answer.state, State.RUNNING)
        tasks = self._ended(observed, state) if state.is_final else observed.tasks
        return self._run(answer, state, tasks)

    def _run(self, answer: Any, state: State, tasks: tuple[Task, ...]) -> Run:
        parameters = dict(answer.runtime_config.parameters or {}) if answer.runtime_config else {}
        seconds = (answer.finished_at - answer.created_at).total_seconds() if state.is_final else 0.0
        return Run(
            run_id=self._run_id,
            pipeline=self._name,
            submission=self._submission,
            state=state,
            parameters=with_integers(parameters),
            started=answer.created_at,
            seconds=seconds,
            folder=self._folder,
            error=str(answer.error.message or "") if answer.error else "",
            tasks=tasks,
        )

    def _late(self, deadline: float) -> str:
        """Return the message for a passed deadline, with the pods that cannot start and why."""
        open_tasks = ", ".join(
            f"{path} {task.state.lower()}" for path, task in self._known.items() if not task.state.is_final
        )
        pods = reach.pods(KFP_NAMESPACE, {RUN_LABEL: self._run_id}) if self._connection.local else []
        waiting = [f"pod {pod.name}: {pod.trouble}" for pod in pods if pod.trouble]
        return (
            f"run {self._run_id} has not ended within {deadline / 60:g} minutes ({open_tasks})"
            + "".join(f"\n{line}" for line in waiting)
            + f"\nThe run goes on; follow it again with: mlops runs follow {self._run_id}"
        )

    def _ended(self, observed: kfp_run.Observed, state: State) -> tuple[Task, ...]:
        tasks = tuple(self._kept(task, observed.executions) for task in kfp_run.settled(observed.tasks, state))
        if state is State.FAILED and not any(task.state is State.FAILED for task in tasks):
            return self._never_started(tasks)
        return tasks

    def _kept(self, task: Task, executions: Mapping[str, Execution]) -> Task:
        """Copy what the report shows of a task to the run's folder."""
        execution = executions.get(task.path)
        if task.state is State.SUCCEEDED and execution is not None:
            return kfp_run.collected(task, execution, self._folder)
        if task.state is State.FAILED:
            pod = execution.pod if execution is not None and self._connection.local else ""
            return kfp_run.failed(task, reach.logs(pod, KFP_NAMESPACE) if pod else "", self._folder)
        return task

    def _never_started(self, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        """Mark the first task that never started as failed, with the logs of Kubeflow Pipelines' own pods."""
        index = next((number for number, task in enumerate(tasks) if task.state is State.UPSTREAM_FAILED), None)
        if index is None:
            return tasks
        pods = reach.pods(KFP_NAMESPACE, {RUN_LABEL: self._run_id}) if self._connection.local else []
        log = "\n".join(_logs(pod.name for pod in pods if pod.phase == "Failed"))
        failed = kfp_run.failed(replace(tasks[index], state=State.FAILED), log, self._folder)
        return (*tasks[:index], failed, *tasks[index + 1 :])


def _logs(pods: Iterable[str]) -> Iterable[str]:
    return (f"{pod}:\n{reach.logs(pod, KFP_NAMESPACE)}" for pod in pods)


def with_integers(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn whole floats back into integers: the API's JSON has floats only."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in parameters.items()
    }
