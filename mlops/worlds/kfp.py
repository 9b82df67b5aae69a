"""The Kubeflow Pipelines world: submits to a cluster the compiled file that the laptop runs."""

import json
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Self

from core import durable
from core.errors import MlopsError
from core.images import chosen_references
from core.store import Store
from mlops.runs.history import read_submission, triggered, write_submission
from mlops.runs.record import Run
from mlops.worlds.kfp_client import explained, open_client
from mlops.worlds.kfp_connection import Connection, connected, store_variables
from mlops.worlds.kfp_images import check_images
from mlops.worlds.kfp_platform import PodSettings, for_cluster
from mlops.worlds.kfp_schedule import EXPERIMENT, KfpSchedules
from mlops.worlds.kfp_watch import Watch
from mlops.worlds.pinned import pin, submission_of
from mlops.worlds.world import (
    Pinned,
    RunRequest,
    Schedules,
    Submitted,
    UnsupportedByWorld,
    Watcher,
    WorldContext,
    check_world,
)

if TYPE_CHECKING:
    from kfp import Client


class Kubeflow:
    """One deployment of Kubeflow Pipelines; a connection is opened when it is first needed."""

    name = "kfp"
    finds_runs_of_others = False

    def __init__(self, context: WorldContext, connection: Connection | None = None) -> None:
        """Use the deployment at the context's endpoint, or the local cluster; a connection that is given is left open.

        Images are named by the digests of a registry if the environment says so, else by this machine's content tags.
        """
        self._context = context
        self._given = connection
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def store(self) -> Store:
        """This machine's store, with data and models in the deployment's object store."""
        context = self._context
        if self._given is None and not context.endpoint:
            address = self._stack.enter_context(store_variables())["MLOPS_STORE"]
        else:
            address = self._connection.objects
        return replace(context.store, objects=address)

    def pin(self, request: RunRequest) -> Pinned:
        """Pin a run to the data and models of the deployment's store."""
        return pin(request, self.store, self._references)

    def submit(self, request: RunRequest) -> Submitted:
        """Pin and submit a run, and keep the submitted file in the run's folder."""
        if before := self.started_by(request.trigger):
            return Submitted(before, self.store.runs / before)
        pinned = self.pin(request)
        if self._references is None:
            check_images(self._connection, pinned.pipeline)
        span = f"-span-{pinned.parameters['span']}" if "span" in pinned.parameters else ""
        name = f"{request.usecase.name}-{request.pipeline}{span}{f'-{request.trigger}' if request.trigger else ''}"
        text = for_cluster(pinned.pipeline, self._settings, cache=request.cache)
        with tempfile.TemporaryDirectory() as scratch, explained(self._connection.api):
            sent = Path(scratch) / "pipeline.yaml"
            sent.write_text(text, encoding="utf-8")
            run_id = self._submitted_as(name) if request.trigger else ""
            run_id = (
                run_id
                or self._client.create_run_from_pipeline_package(
                    str(sent), arguments=pinned.parameters, run_name=name, experiment_name=EXPERIMENT
                ).run_id
            )
        folder = self.store.runs / run_id
        folder.mkdir(parents=True, exist_ok=True)
        durable.replace(folder / "submitted.yaml", text.encode())
        shutil.copyfile(pinned.pipeline, folder / "pipeline.yaml")
        write_submission(folder, submission_of(request, pinned, self.name))
        return Submitted(run_id, folder)

    def started_by(self, trigger: str) -> str:
        """Search the submissions of this store."""
        return triggered(self.store, trigger)

    def follow(self, run_id: str, watcher: Watcher, deadline: float | None = None) -> Run:
        """Poll a run until its end; after the deadline the run goes on, but is not followed any more."""
        with self._watch(run_id) as watch:
            return watch.until_ended(deadline, watcher)

    def result(self, run_id: str) -> Run:
        """Return the run as the deployment has it."""
        with self._watch(run_id) as watch:
            return watch.now()

    def cancel(self, run_id: str) -> None:
        """Ask the deployment to terminate a run."""
        run = self.result(run_id)
        if run.state.is_final:
            raise MlopsError(f"run {run_id} has ended ({run.state.lower()}), so there is nothing to cancel")
        with explained(self._connection.api):
            self._client.terminate_run(run_id)

    def resume(self, run_id: str) -> None:
        """Raise UnsupportedByWorld: in Kubeflow Pipelines a new run takes finished results from the cache."""
        submission = read_submission(self._context.store, run_id)
        check_world(run_id, submission, self.name)
        raise UnsupportedByWorld(
            "kfp: Kubeflow Pipelines cannot resume a run; submit it again, and finished tasks come from the cache: "
            f"mlops submit {quote(submission.cli_name)} --at kfp --pipeline {submission.pipeline} --wait"
        )

    @property
    def schedules(self) -> Schedules:
        """The deployment's recurring runs."""
        return KfpSchedules(self._connection, self._context.environment, self._references)

    @cached_property
    def _connection(self) -> Connection:
        context = self._context
        return self._given or self._stack.enter_context(connected(context.endpoint, context.environment))

    @cached_property
    def _client(self) -> "Client":
        return open_client(self._connection.api)

    @property
    def _settings(self) -> PodSettings:
        return PodSettings.of(self._context.environment)

    @property
    def _references(self) -> dict[str, str] | None:
        return chosen_references(self._context.environment, self._context.store.images)

    def _submitted_as(self, name: str) -> str:
        """Return the run of this name that a process submitted before it died; empty: there is none."""
        equals = {"operation": "EQUALS", "key": "name", "string_value": name}
        page = self._client.list_runs(filter=json.dumps({"predicates": [equals]}), page_size=1)
        return page.runs[0].run_id if page.runs else ""

    def _watch(self, run_id: str) -> Watch:
        submission = read_submission(self._context.store, run_id)
        check_world(run_id, submission, self.name)
        return Watch(self._client, self._connection, self._context.store.runs / run_id, submission)
