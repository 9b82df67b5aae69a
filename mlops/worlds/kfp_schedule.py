"""Schedules on Kubeflow Pipelines: each slot runs a small pipeline that starts the real one.

A recurring run has fixed parameters, but a new span and a new champion must be pinned each time (see docs/adr). So what
recurs is `mlops trigger send`, which gives the slot to the handler of triggers in the cluster, or, where there is no
handler, `mlops submit`; in the image with the code that the schedule was applied from.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.images import image
from core.user_code import ROOT
from mlops.cluster.access.credentials import TRIGGER_KEY, TRIGGER_SECRET
from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE
from mlops.worlds.kfp_client import explained, open_client
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.kfp_images import check_images
from mlops.worlds.kfp_platform import PodSettings, for_cluster
from mlops.worlds.world import Applied, Recurring
from pipelines.compiled import write_compiled
from pipelines.config import UseCase
from pipelines.schedule import Schedule

EXPERIMENT = "ml-in-production"
"""The experiment of all runs of this project."""
LOCAL_HANDLER = f"http://trigger-handler.{NAMESPACE}:8502/"
"""Address of the handler in the cluster that `mlops cluster up` makes."""
API = f"http://ml-pipeline.{KFP_NAMESPACE}:8888"
"""Address of the pipelines' API inside the cluster."""
PASSED_ON = ("MLOPS_STEP_CPU", "MLOPS_STEP_MEMORY", "MLOPS_PULL_POLICY", "MLOPS_STORE_SECRET")
"""Variables of `mlops schedule apply` that every submission of the schedule gets."""
HANDLER = "MLOPS_TRIGGER_HANDLER"
"""Variable with the address, inside the cluster, of the handler that slots are sent to; empty: a slot submits."""
_PAGE = 100


class KfpSchedules:
    """The recurring runs of one deployment that belong to this project."""

    def __init__(
        self, connection: Connection, environment: Mapping[str, str], references: Mapping[str, str] | None = None
    ) -> None:
        """Use a connection, which is left open; images are named by the references given, else by content tags."""
        self._references = references
        self._connection = connection
        self._api = connection.api
        self._environment = {name: environment[name] for name in PASSED_ON if environment.get(name)}
        if references is not None:
            self._environment["MLOPS_IMAGE_REFERENCES"] = json.dumps(references, sort_keys=True)
        self._settings = PodSettings.of(environment)
        self._handler = environment.get(HANDLER, LOCAL_HANDLER if connection.local else "")
        self._client = open_client(connection.api)

    def apply(self, usecase: UseCase) -> Applied:
        """Make the deployment's schedules of a use case those of its configuration; a second call changes nothing.

        New ones are created before old ones are removed, so that a failure in between never leaves none. A new one
        starts with its next slot; earlier slots are not made up for.
        Raises UsageError for a use case without schedules, and for one outside `usecases/`, which no image holds.
        """
        if not usecase.schedules:
            raise UsageError(
                f"{usecase.folder / 'config.yaml'}: schedules is missing; "
                "add at least one with its cron, such as: schedules: {retrain: {cron: '0 6 * * 1'}}"
            )
        _check_in_images(usecase)
        found = self.of(usecase.name)
        created: list[Recurring] = []
        unchanged: list[Recurring] = []
        for name, schedule in usecase.schedules.items():
            recurring, is_new = self._applied(usecase.name, name, schedule, found)
            (created if is_new else unchanged).append(recurring)
        kept = {recurring.id for recurring in (*created, *unchanged)}
        removed = tuple(recurring for recurring in found if recurring.id not in kept)
        for recurring in removed:
            self._delete(recurring)
        return Applied(tuple(created), tuple(unchanged), removed)

    def of(self, usecase: str = "") -> list[Recurring]:
        """Return the recurring runs of a use case, or of all."""
        return sorted((one for one in self._all() if one.name.startswith(_prefix(usecase))), key=lambda one: one.name)

    def delete(self, usecase: str) -> list[Recurring]:
        """Remove the recurring runs of a use case and return them; runs that have begun go on."""
        found = self.of(usecase)
        for one in found:
            self._delete(one)
        return found

    def _applied(self, usecase: str, name: str, schedule: Schedule, found: list[Recurring]) -> tuple[Recurring, bool]:
        """Return the recurring run of one schedule, and whether it had to be created."""
        with tempfile.TemporaryDirectory() as scratch:
            sent = Path(scratch) / "pipeline.yaml"
            sent.write_text(self._trigger(usecase, name, schedule), encoding="utf-8")
            if self._references is None:
                check_images(self._connection, sent)
            full_name = f"{_prefix(usecase)}{name}-{_fingerprint(sent, schedule)}"
            same = [recurring for recurring in found if recurring.name == full_name and recurring.enabled]
            return (same[0], False) if same else (self._create(full_name, sent, schedule), True)

    def _trigger(self, usecase: str, name: str, schedule: Schedule) -> str:
        """Return the YAML of the small pipeline that a schedule runs."""
        made = (
            slot_sender(usecase, name, self._handler)
            if self._handler
            else submission(usecase, schedule, self._environment)
        )
        with tempfile.TemporaryDirectory() as scratch:
            compiled = Path(scratch) / "pipeline.yaml"
            write_compiled(made, compiled, self._references)
            return for_cluster(compiled, self._settings)

    def _create(self, name: str, sent: Path, schedule: Schedule) -> Recurring:
        with explained(self._api):
            experiment = self._client.create_experiment(EXPERIMENT)
            made = self._client.create_recurring_run(
                experiment_id=experiment.experiment_id,
                job_name=name,
                description=f"mlops schedule apply; {schedule.cron} UTC",
                cron_expression=f"0 {schedule.cron}",
                max_concurrency=schedule.max_concurrency,
                no_catchup=True,
                pipeline_package_path=str(sent),
            )
        return _recurring(made)

    def _all(self) -> Iterator[Recurring]:
        token = ""
        while True:
            with explained(self._api):
                page = self._client.list_recurring_runs(page_token=token, page_size=_PAGE)
            yield from map(_recurring, page.recurring_runs or ())
            token = page.next_page_token or ""
            if not token:
                return

    def _delete(self, one: Recurring) -> None:
        with explained(self._api):
            self._client.delete_recurring_run(one.id)


def submission(usecase: str, schedule: Schedule, variables: Mapping[str, str]) -> Any:
    """Wire the pipeline whose one step calls `mlops submit`."""
    from kfp import dsl  # noqa: PLC0415 - only compiling has kfp

    arguments = ["submit", usecase, "--at", "kfp", "--pipeline", schedule.pipeline]
    arguments += ["--span", "newest"] if schedule.span == "newest" else []

    @dsl.container_component
    def submit_run(registry: str) -> dsl.ContainerSpec:  # noqa: ARG001 - a step that names the registry is given the store
        return dsl.ContainerSpec(image=image("data"), command=["mlops"], args=arguments)

    @dsl.pipeline(
        name=f"{usecase.replace('_', '-')}-trigger", description=f"Pins and submits {schedule.pipeline} of {usecase}."
    )
    def retraining(registry: str = "") -> None:
        _configure(submit_run(registry=registry), {"KFP_ENDPOINT": API, **variables})

    return retraining


def slot_sender(usecase: str, name: str, handler: str) -> Any:
    """Wire the pipeline whose one step gives a slot of a schedule to the handler of triggers."""
    from kfp import dsl, kubernetes  # noqa: PLC0415 - only compiling has kfp

    arguments = ["trigger", "send", usecase, "--cause", "schedule", "--schedule", name, "--to", handler]

    @dsl.container_component
    def send_slot() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image("data"), command=["mlops"], args=arguments)

    @dsl.pipeline(
        name=f"{usecase.replace('_', '-')}-trigger", description=f"Sends the slots of {name} of {usecase} to {handler}."
    )
    def retraining() -> None:
        task = send_slot()
        _configure(task, {})
        task.set_retry(3, backoff_duration="60s")  # the handler may be on its way to another node
        kubernetes.use_secret_as_env(task, TRIGGER_SECRET, {TRIGGER_KEY: "MLOPS_TRIGGER_SECRET"})

    return retraining


def _configure(task: Any, variables: Mapping[str, str]) -> None:
    """Set what the one step of either pipeline needs."""
    task.set_caching_options(False)  # each slot is one of its own
    task.set_cpu_request("100m").set_cpu_limit("1").set_memory_request("256Mi").set_memory_limit("1Gi")
    for name, value in {"MLOPS_HOME": "/tmp/mlops", **variables}.items():  # noqa: S108 - the pod's own
        task.set_env_variable(name, value)


def _prefix(usecase: str) -> str:
    return f"mlops-{usecase}-" if usecase else "mlops-"


def _fingerprint(sent: Path, schedule: Schedule) -> str:
    """Return twelve hexadecimal digits that change with anything that the schedule does."""
    return hashlib.sha256(sent.read_bytes() + schedule.model_dump_json().encode()).hexdigest()[:12]


def _recurring(answer: Any) -> Recurring:
    cron = answer.trigger.cron_schedule.cron if answer.trigger and answer.trigger.cron_schedule else ""
    return Recurring(answer.recurring_run_id, answer.display_name, cron.partition(" ")[2], answer.status == "ENABLED")


def _check_in_images(usecase: UseCase) -> None:
    if not usecase.folder.is_relative_to(ROOT / "usecases"):
        raise UsageError(
            f"{usecase.folder}: wanted a folder below {ROOT / 'usecases'}, since images hold no other use case; "
            "copy it there, then: mlops images build"
        )
