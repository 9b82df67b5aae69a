"""Vertex AI as a world: the file that ran on the laptop, as a pipeline job whose id depends on what is pinned."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, Self

from core import durable
from core.errors import MlopsError
from core.images import chosen_references
from core.store import Store
from mlops.runs.history import SUBMISSION, read_submission, triggered, write_submission
from mlops.runs.record import Run
from mlops.worlds.pinned import pin, submission_of
from mlops.worlds.vertex import intent as intents
from mlops.worlds.vertex import tasks
from mlops.worlds.vertex.api import Api
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.intent import Intent
from mlops.worlds.vertex.job import TRIGGER, attempt_id, job_id, job_of, spec_of
from mlops.worlds.vertex.watch import Watch
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

_ATTEMPTS = 100
_LOCK = ".lock"


class Vertex:
    """One deployment on Vertex AI; nothing is asked of Google before it is needed."""

    name = "vertex"
    finds_runs_of_others = True

    def __init__(self, context: WorldContext) -> None:
        """Use the deployment that the environment names; UsageError when its settings cannot be used."""
        self._context = context
        self.deployment = Deployment.of(context.environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def store(self) -> Store:
        """This machine's store, with data and models at the deployment's root."""
        return replace(self._context.store, objects=self.deployment.root)

    def pin(self, request: RunRequest) -> Pinned:
        """Pin a run to the data and models of the deployment, and to images by digest."""
        return pin(request, self.store, self.references)

    def submit(self, request: RunRequest) -> Submitted:
        """Pin and submit a run; what is pinned alike is the job that there is, unless that failed or was cancelled."""
        if before := self.started_by(request.trigger):
            return Submitted(before, self.store.runs / before, is_repeat=True)
        pinned = self.pin(request)
        spec = spec_of(pinned.pipeline, self.deployment, cache=request.cache)
        job = job_of(spec, request, pinned, self.deployment)
        text = pinned.pipeline.read_text(encoding="utf-8")
        intent = Intent(job_id(request, job), job, submission_of(request, pinned, self.name), text)
        if request.trigger:
            intent = intents.agreed(self.deployment.root, request.trigger, intent)
        return self._submitted(intent)

    def started_by(self, trigger: str) -> str:
        """Search the submissions of this store, and then what any machine has begun to submit, which is finished."""
        if not trigger or (before := triggered(self.store, trigger)):
            return before if trigger else ""
        intent = intents.find(self.deployment.root, trigger)
        return self._submitted(intent).run_id if intent is not None else ""

    def follow(self, run_id: str, watcher: Watcher, deadline: float | None = None) -> Run:
        """Poll a job until its end; after the deadline it goes on, but is not followed any more."""
        return self._watch(run_id).until_ended(deadline, watcher)

    def result(self, run_id: str) -> Run:
        """Return the run as the deployment has it."""
        return self._watch(run_id).now()

    def cancel(self, run_id: str) -> None:
        """Ask for the cancellation of a job."""
        run = self.result(run_id)
        if run.state.is_final:
            raise MlopsError(f"run {run_id} has ended ({run.state.lower()}), so there is nothing to cancel")
        self._api.cancel_job(run_id)

    def resume(self, run_id: str) -> None:
        """Raise UnsupportedByWorld: a new job takes finished results from the cache."""
        submission = read_submission(self._context.store, run_id)
        check_world(run_id, submission, self.name)
        raise UnsupportedByWorld(
            "vertex: Vertex AI cannot resume a job; submit it again, and finished tasks come from the cache: "
            f"mlops submit {quote(submission.cli_name)} --at vertex --pipeline {submission.pipeline} --wait"
        )

    @property
    def schedules(self) -> Schedules:
        """Raise UnsupportedByWorld: Cloud Scheduler keeps the slots, and each is a fact for the handler of triggers."""
        raise UnsupportedByWorld(
            "vertex: Cloud Scheduler keeps the slots of config.yaml's schedules and gives them to the handler of "
            "triggers; `make cloud-up env=dev` applies them (infra/modules/schedule), and elsewhere any cron may call: "
            "mlops trigger send USECASE --cause schedule --schedule NAME --to URL"
        )

    @cached_property
    def _api(self) -> Api:
        return Api(self.deployment)

    @cached_property
    def references(self) -> dict[str, str]:
        """The images by digest, by name; MlopsError when they were not pushed."""
        environment = {**self._context.environment, "MLOPS_IMAGE_REGISTRY": self.deployment.registry}
        references = chosen_references(environment, self._context.store.images)
        assert references is not None
        return references

    def _submitted(self, intent: Intent) -> Submitted:
        run_id, is_new = self._created(intent.job, intent.job_id)
        folder = self.store.runs / run_id
        self._keep(folder, intent)
        return Submitted(run_id, folder, is_repeat=not is_new)

    def _created(self, job: dict[str, Any], first: str) -> tuple[str, bool]:
        """Create the job, or find the one that there is; return its id, and whether it is new.

        One that failed or was cancelled is made again, unless the same decision made it; one that is past its deadline
        is cancelled.
        """
        decision = job["labels"].get(TRIGGER)
        for attempt in range(1, _ATTEMPTS + 1):
            identity = attempt_id(first, attempt)
            if self._api.create_job(job, identity):
                return identity, True
            found = self._api.job(identity)
            is_own = decision is not None and found.labels.get(TRIGGER) == decision
            if tasks.is_late(found):
                with suppress(MlopsError):  # it may have ended meanwhile
                    self._api.cancel_job(identity)
                found = self._api.job(identity)
            if is_own or found.state.name not in tasks.WITHOUT_SUCCESS:
                return identity, False
        raise MlopsError(f"{first}: failed or was cancelled {_ATTEMPTS} times; read the reason of the last one")

    def _keep(self, folder: Path, intent: Intent) -> None:
        """Keep a submission in the run's folder; the first one of several that are the same job."""
        folder.mkdir(parents=True, exist_ok=True)
        with durable.locked(folder / _LOCK):
            if (folder / SUBMISSION).is_file():
                return
            durable.replace(folder / "pipeline.yaml", intent.pipeline.encode())
            durable.replace(folder / "submitted.json", f"{json.dumps(intent.job, indent=2)}\n".encode())
            write_submission(folder, intent.submission)

    def _watch(self, run_id: str) -> Watch:
        submission = read_submission(self._context.store, run_id)
        check_world(run_id, submission, self.name)
        return Watch(self._api, self._folder(run_id), submission)

    def _folder(self, run_id: str) -> Path:
        return self._context.store.runs / run_id
