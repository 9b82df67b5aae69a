"""The world of Kubeflow Pipelines: the file that runs on the laptop, submitted to a cluster and followed to its verdict."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core import durable
from core.errors import MlopsError
from core.store import Store
from mlops.cluster.access import reach
from mlops.report.outcome import Outcome
from mlops.runs.events import Event
from mlops.runs.history import read_submission, write_submission
from mlops.runs.submission import Submission
from mlops.worlds.finished import finish
from mlops.worlds.kfp_client import explained, open_client
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.kfp_platform import PodSettings, containers, for_cluster
from mlops.worlds.kfp_watch import Watch
from mlops.worlds.pinned import Span, pin
from pipelines.config import UseCase

EXPERIMENT = "ml-in-production"
WORLD = "kfp"


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
        release = usecase.section("push_model")
        write_submission(folder, Submission(usecase.name, pinned.code, WORLD, pipeline=pipeline, release=release))
        return Submitted(created.run_id, folder)

    def follow(self, run_id: str, deadline: float, on_event: Callable[[Event], None]) -> tuple[Outcome, Path]:
        """Wait for the end of a run that was submitted from this store; returns what came out and where its report is.

        Raises MlopsError when the deadline (in seconds) passes; the run itself goes on then.
        """
        submission = read_submission(self._store, run_id)
        with Watch(self._client, self._connection, self._store.runs / run_id, submission) as watch:
            run = watch.until_ended(deadline, on_event)
        return finish(run, self._store)


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
