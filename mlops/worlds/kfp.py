"""The world of Kubeflow Pipelines: the file that runs on the laptop, submitted to a cluster and followed to its verdict."""

import io
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import localrun
from core import durable
from core.errors import MlopsError
from core.store import Store
from localrun.events import Event, RunFinished, RunStarted, TaskChanged
from localrun.records import State, TaskRun
from mlops.cluster.access import reach
from mlops.cluster.site import KFP_NAMESPACE
from mlops.report.outcome import Outcome
from mlops.worlds import kfp_run
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.kfp_metadata import Execution, KfpMetadata, latest
from mlops.worlds.kfp_platform import PodSettings, containers, for_cluster
from mlops.worlds.pinned import Span, pin
from mlops.worlds.record import Submission, finish
from pipelines.config import UseCase

if TYPE_CHECKING:
    from kfp import Client

EXPERIMENT = "ml-in-production"
WORLD = "kfp"
RUN_LABEL = "pipeline/runid"
"""Label of every pod of a run."""
_PAUSE = 2.0
"""Seconds between two looks."""
_MISSES = 5
"""Looks in a row that may fail."""
_STATES = {"SUCCEEDED": State.SUCCEEDED, "FAILED": State.FAILED, "CANCELED": State.CANCELLED, "SKIPPED": State.SKIPPED}


@dataclass(frozen=True)
class Submitted:
    """A run that the cluster has accepted."""

    run_id: str
    folder: Path
    """What is kept of it here: the compiled file, what was sent, and in the end its report."""


class Kubeflow:
    """Submits pinned pipelines to one deployment and follows them."""

    def __init__(
        self, connection: Connection, store: Store, settings: PodSettings, references: Mapping[str, str] | None = None
    ) -> None:
        """Use a connection that stays open; data and models are those of the deployment's own store.

        Images are named by the references given, or by their content on this machine.
        """
        self._references = references
        self._connection = connection
        self._store = replace(store, objects=connection.objects)
        self._settings = settings
        self._client = open_client(connection.api)

    def submit(self, usecase: UseCase, pipeline: str, *, span: Span = None, cache: bool = True) -> Submitted:
        """Pin and submit one pipeline of a use case; what was sent is kept below the store's `runs`."""
        pinned = pin(usecase, pipeline, span, self._store, self._references)
        if self._references is None:
            check_images(self._connection, pinned.pipeline)
        name = f"{usecase.name}-{pipeline}-span-{pinned.parameters['span']}"
        with tempfile.TemporaryDirectory() as scratch:
            sent = Path(scratch) / "pipeline.yaml"
            sent.write_text(for_cluster(pinned.pipeline, self._settings, cache=cache), encoding="utf-8")
            with explained(self._connection.api):
                created = self._client.create_run_from_pipeline_package(
                    str(sent), arguments=pinned.parameters, run_name=name, experiment_name=EXPERIMENT
                )
            folder = self._store.runs / created.run_id
            folder.mkdir(parents=True)
            durable.replace(folder / "submitted.yaml", sent.read_bytes())
        shutil.copyfile(pinned.pipeline, folder / "pipeline.yaml")
        Submission(usecase.name, pinned.code, WORLD, usecase.section("push_model")).write(folder)
        return Submitted(created.run_id, folder)

    def follow(self, run_id: str, deadline: float, on_event: Callable[[Event], None]) -> tuple[Outcome, Path]:
        """Wait for the end of a run that was submitted from this store; returns what came out and where its report is.

        Raises MlopsError when the deadline (in seconds) passes; the run itself goes on then.
        """
        submission = Submission.read(self._store.runs / run_id)
        watch = _Watch(self._client, self._connection, self._store.runs / run_id)
        try:
            done = watch.until_done(run_id, deadline, on_event)
        finally:
            watch.close()
        return finish(done, submission, self._store)


class _Watch:
    """Looks at one run again and again."""

    def __init__(self, client: "Client", connection: Connection, folder: Path) -> None:
        self._client = client
        self._connection = connection
        self._folder = folder
        self._metadata = KfpMetadata(connection.metadata) if connection.metadata else None
        pipeline = localrun.load(folder / "pipeline.yaml")
        self._name = pipeline.name
        self._tasks = kfp_run.planned(pipeline)

    def close(self) -> None:
        if self._metadata is not None:
            self._metadata.close()

    def until_done(self, run_id: str, deadline: float, on_event: Callable[[Event], None]) -> localrun.Run:
        """Look until the run has ended; a look that fails, as one does when the way to the cluster breaks, is made again a few times."""
        began, missed = time.monotonic(), 0
        on_event(RunStarted(run_id, self._name, self._folder, self._tasks))
        while True:
            try:
                done, missed = self._look(run_id, on_event), 0
            except MlopsError:
                missed += 1
                if missed > _MISSES:
                    raise
                done = None
            if done is not None:
                on_event(RunFinished(done))
                return done
            if time.monotonic() - began > deadline:
                raise MlopsError(self._late(run_id, deadline))
            time.sleep(_PAUSE)

    def _look(self, run_id: str, on_event: Callable[[Event], None]) -> localrun.Run | None:
        """Tell what has changed; return the run when it has ended."""
        run = self._run(run_id)
        executions = latest(self._metadata.executions(run_id)) if self._metadata is not None else {}
        tasks = kfp_run.observed(self._tasks, executions)
        for task in (new for old, new in zip(self._tasks, tasks, strict=True) if new != old):
            on_event(TaskChanged(task))
        self._tasks = tasks
        state = _STATES.get(run.state)
        return self._finished(run, state, executions) if state is not None else None

    def _run(self, run_id: str) -> Any:
        with explained(self._connection.api):
            return self._client.get_run(run_id)

    def _late(self, run_id: str, deadline: float) -> str:
        """Say what a run that takes too long is waiting for: a pod that no node has room for waits for ever, and its run says RUNNING."""
        open_tasks = ", ".join(
            f"{task.name} {task.state.lower()}" for task in self._tasks if task.state in (State.PENDING, State.RUNNING)
        )
        waiting = (
            [f"pod {pod.name}: {pod.trouble}" for pod in reach.pods(KFP_NAMESPACE, {RUN_LABEL: run_id}) if pod.trouble]
            if self._connection.local
            else []
        )
        return (
            f"run {run_id}: wanted its end within {deadline / 60:g} minutes, got none ({open_tasks})"
            + "".join(f"\n{line}" for line in waiting)
            + f"\nThe run goes on; follow it again with: mlops runs follow {run_id}"
        )

    def _finished(self, run: Any, state: State, executions: Mapping[str, Execution]) -> localrun.Run:
        settled = tuple(self._filed(task, executions) for task in kfp_run.settled(self._tasks, state))
        if state is State.FAILED and not any(task.state is State.FAILED for task in settled):
            settled = self._never_begun(run.run_id, settled)
        parameters = dict(run.runtime_config.parameters or {}) if run.runtime_config else {}
        seconds = (run.finished_at - run.created_at).total_seconds()
        return localrun.Run(
            run.run_id,
            self._name,
            state,
            _whole(parameters),
            run.created_at,
            seconds,
            self._folder,
            _error(run),
            settled,
        )

    def _filed(self, task: TaskRun, executions: Mapping[str, Execution]) -> TaskRun:
        """Bring here what the report shows of a task."""
        if task.state is State.SUCCEEDED and task.name in executions:
            return kfp_run.collected(task, executions[task.name], self._folder)
        if task.state is State.FAILED:
            return kfp_run.failed(task, self._log(task, executions), self._folder)
        return task

    def _never_begun(self, run_id: str, tasks: tuple[TaskRun, ...]) -> tuple[TaskRun, ...]:
        """Blame the first task that never began, with the logs of what failed around it: Kubeflow Pipelines' own pods, which say why nowhere else."""
        index = next((number for number, task in enumerate(tasks) if task.state is State.UPSTREAM_FAILED), None)
        if index is None:
            return tasks
        broken = (
            [pod for pod in reach.pods(KFP_NAMESPACE, {RUN_LABEL: run_id}) if pod.phase == "Failed"]
            if self._connection.local
            else []
        )
        log = "\n".join(f"{pod.name}:\n{reach.logs(pod.name, KFP_NAMESPACE)}" for pod in broken)
        blamed = kfp_run.failed(replace(tasks[index], state=State.FAILED), log, self._folder)
        return (*tasks[:index], blamed, *tasks[index + 1 :])

    def _log(self, task: TaskRun, executions: Mapping[str, Execution]) -> str:
        pod = executions[task.name].pod if task.name in executions else ""
        if not pod or not self._connection.local:
            return ""
        return reach.logs(pod, KFP_NAMESPACE)


def check_images(connection: Connection, compiled: Path) -> None:
    """Find out now what would otherwise be a pod that waits for an image that nobody has; MlopsError names it."""
    if not connection.local:
        return
    images = {container["image"] for container in containers(compiled)}
    lacking = reach.lacking_images(sorted(images))
    if lacking:
        raise MlopsError(
            f"the cluster's node has no {', '.join(lacking)}: the sources have changed since its images were built; "
            "`mlops cluster up` (make deploy-local) builds and loads them, then submit again"
        )


def _whole(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Undo what JSON does to whole numbers on their way through the API."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in parameters.items()
    }


def _error(run: Any) -> str:
    return str(run.error.message or "") if run.error else ""


@contextmanager
def explained(api: str) -> Iterator[None]:
    """Turn what kfp's client raises into one message; MlopsError with the address and what it said."""
    import kfp_server_api  # noqa: PLC0415
    import urllib3  # noqa: PLC0415

    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):  # it greets, and prints links
            yield
    except kfp_server_api.ApiException as error:
        raise MlopsError(
            f"{api}: Kubeflow Pipelines answered {error.status} {error.reason}: {str(error.body)[:500]}"
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise MlopsError(
            f"{api}: wanted Kubeflow Pipelines, got no answer ({error}); is it up? mlops cluster status"
        ) from error


def open_client(api: str) -> "Client":
    """Connect kfp's own client; MlopsError when nothing answers there."""
    from kfp import Client  # noqa: PLC0415 - two seconds that only a submission pays

    with explained(api):
        return Client(host=api)
