"""Trains in several processes that the step starts: on this machine, as a TFJob, or in worker pools of Vertex AI."""

import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.train_model.config import Config
from components.train_model.task import METRICS, PICTURES, Task, fault
from components.train_model.this_process import Inputs, Outputs
from core import pictures
from core.beam.choice import world
from core.errors import MlopsError
from core.object_stores import locations
from core.object_stores.locations import Location
from core.worker_jobs.job import WorkerFailed, WorkerJob
from core.worker_jobs.settings import Distribution
from core.worker_jobs.start import run

_WORKER = "components.train_model.worker"


def launch(config: Config, inputs: Inputs, outputs: Outputs) -> None:
    """Train in the processes of `config.distribution`, and bring the outputs of the first one here.

    Raises what the first process that failed has raised, or WorkerFailed, and ConfigError for what the processes could
    not see.
    """
    distribution = config.distribution
    assert distribution is not None
    where = world(os.environ)
    is_here = where == "laptop"
    with _work_folder(distribution, outputs.model, is_here=is_here) as work:
        model = Path(outputs.model).absolute() if is_here else locations.join(work, "model")
        task = Task(config, inputs if is_here else _elsewhere(inputs), model, work)
        try:
            run(WorkerJob(distribution, _WORKER, (task.to_text(),)), where, os.environ)
        except WorkerFailed as error:
            raise _cause(task, distribution, error) from error
        if not is_here:
            locations.copy_here(model, Path(outputs.model))
        pictures.write(outputs.pictures, locations.read(locations.join(work, PICTURES)).decode())
        for name, value in json.loads(locations.read(locations.join(work, METRICS))).items():
            outputs.log_metric(name, value)


def _elsewhere(inputs: Inputs) -> Inputs:
    """Return the addresses of what processes of other machines read."""
    return inputs._replace(
        examples=locations.remote(inputs.examples, "the examples"),
        transform_graph=locations.remote(inputs.transform_graph, "the transform graph"),
    )


@contextmanager
def _work_folder(distribution: Distribution, model: Path | str, *, is_here: bool) -> Iterator[Location]:
    """Make a folder for one training that all processes see; it is removed at the end."""
    if is_here and not distribution.work:
        with tempfile.TemporaryDirectory(prefix="mlops-train-") as folder:
            yield Path(folder)
        return
    base = locations.located(distribution.work) if distribution.work else locations.remote(model, "the model")
    folder_of_run = locations.join(base, f".training-{uuid.uuid4().hex}")
    try:
        yield folder_of_run
    finally:
        locations.remove(folder_of_run)


def _cause(task: Task, distribution: Distribution, error: WorkerFailed) -> MlopsError:
    """Return what the first process raised that failed; the others fail because they wait for it."""
    faults = [found for index in range(distribution.workers) if (found := fault(task, index)) is not None]
    return min(faults, key=lambda one: one.at).error() if faults else error
