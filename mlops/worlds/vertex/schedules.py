"""Schedules on Vertex AI: each slot runs a small pipeline that pins and submits the real one.

A schedule's job has fixed parameters and no id of its own, but a new span and a new champion must be pinned each time.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.images import image
from core.user_code import ROOT
from mlops.worlds.vertex.api import Api
from mlops.worlds.vertex.deployment import VARIABLE
from mlops.worlds.vertex.job import label_value, placement, spec_of
from mlops.worlds.world import Applied, Recurring
from pipelines.compiled import write_compiled
from pipelines.config import UseCase
from pipelines.schedule import Schedule


class VertexSchedules:
    """The schedules of one deployment that belong to this project."""

    def __init__(self, api: Api, references: Mapping[str, str]) -> None:
        """Use images by the digests given."""
        self._api = api
        self._references = references

    def apply(self, usecase: UseCase) -> Applied:
        """Make the deployment's schedules of a use case those of its configuration; a second call changes nothing.

        New ones are created before old ones are removed, so that a failure in between never leaves none. A new one
        starts with its next slot; earlier slots are not made up for.
        Raises UsageError for a use case without schedules, and for one outside `usecases/`, which no image holds.
        """
        config = usecase.folder / "config.yaml"
        if not usecase.schedules:
            raise UsageError(
                f"{config}: schedules is missing; add one, such as: schedules: {{retrain: {{cron: '0 6 * * 1'}}}}"
            )
        if not usecase.folder.is_relative_to(ROOT / "usecases"):
            raise UsageError(f"{usecase.folder}: wanted a folder below {ROOT / 'usecases'}, since images hold no other")
        found = self.of(usecase.name)
        created: list[Recurring] = []
        unchanged: list[Recurring] = []
        for name, schedule in usecase.schedules.items():
            wanted = self._schedule(usecase.name, name, schedule)
            same = [one for one in found if one.name == wanted["displayName"] and one.enabled]
            if same:
                unchanged.append(same[0])
            else:
                created.append(_recurring(self._api.create_schedule(wanted)))
        kept = {one.id for one in (*created, *unchanged)}
        removed = tuple(one for one in found if one.id not in kept)
        for one in removed:
            self._api.delete_schedule(one.id)
        return Applied(tuple(created), tuple(unchanged), removed)

    def of(self, usecase: str = "") -> list[Recurring]:
        """Return the schedules of a use case, or of all."""
        prefix = f"mlops-{usecase}-" if usecase else "mlops-"
        found = (_recurring(one) for one in self._api.schedules())
        return sorted((one for one in found if one.name.startswith(prefix)), key=lambda one: one.name)

    def delete(self, usecase: str) -> list[Recurring]:
        """Remove the schedules of a use case and return them; jobs that have begun go on."""
        found = self.of(usecase)
        for one in found:
            self._api.delete_schedule(one.id)
        return found

    def _schedule(self, usecase: str, name: str, schedule: Schedule) -> dict[str, Any]:
        """Return a schedule in the JSON of the interface; its name changes with anything that it does."""
        deployment = self._api.deployment
        with tempfile.TemporaryDirectory() as scratch:
            compiled = Path(scratch) / "pipeline.yaml"
            write_compiled(self._submission(usecase, schedule), compiled, dict(self._references))
            spec = spec_of(compiled, deployment)
        job = {
            "displayName": f"{usecase}-{name}",
            "pipelineSpec": spec,
            "labels": {"mlops-usecase": label_value(usecase), "mlops-schedule": label_value(name)},
            "runtimeConfig": {"gcsOutputDirectory": f"{deployment.root}/artifacts"},
        } | placement(deployment)
        wanted = {
            "cron": f"TZ=UTC {schedule.cron}",
            "maxConcurrentRunCount": str(schedule.max_concurrency),
            "maxConcurrentActiveRunCount": str(schedule.max_concurrency),
            "createPipelineJobRequest": {"parent": deployment.parent, "pipelineJob": job},
        }
        key = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
        return {"displayName": f"mlops-{usecase}-{name}-{key}", **wanted}

    def _submission(self, usecase: str, schedule: Schedule) -> Any:
        """Wire the pipeline whose one step calls `mlops submit`."""
        from kfp import dsl  # noqa: PLC0415 - only compiling has kfp

        arguments = ["submit", usecase, "--at", "vertex", "--pipeline", schedule.pipeline]
        arguments += ["--span", "newest"] if schedule.span == "newest" else []
        variables = {
            VARIABLE: self._api.deployment.as_json(),
            "MLOPS_HOME": "/tmp/mlops",  # noqa: S108 - the step's own
            "MLOPS_IMAGE_REFERENCES": json.dumps(dict(self._references), sort_keys=True),
        }

        @dsl.container_component
        def submit_run() -> dsl.ContainerSpec:
            # The image with Google's clients.
            return dsl.ContainerSpec(image=image("tfx"), command=["mlops"], args=arguments)

        @dsl.pipeline(name=f"{usecase.replace('_', '-')}-trigger", description=f"Submits {schedule.pipeline}.")
        def retraining() -> None:
            task = submit_run()
            task.set_caching_options(False)  # each slot is a submission of its own
            task.set_cpu_limit("1").set_memory_limit("2Gi")
            for name, value in variables.items():
                task.set_env_variable(name, value)

        return retraining


def _recurring(answer: Any) -> Recurring:
    cron = answer.cron.removeprefix("TZ=UTC ")
    return Recurring(answer.name, answer.display_name, cron, answer.state.name == "ACTIVE")
