"""The laptop world: every step of a compiled pipeline runs in a process or a container of this machine."""

import os
import signal
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Self

import localrun
from core import durable
from core.errors import MlopsError
from core.store import Store
from mlops.runs.events import RunEnded, RunStarted, TaskChanged
from mlops.runs.history import forget_end, read_submission, triggered, write_submission
from mlops.runs.record import Run, State
from mlops.worlds.localrun_record import event_of, run_of
from mlops.worlds.machine.ahead import stages_ahead
from mlops.worlds.machine.containers import containers
from mlops.worlds.machine.workers import environments_of_images, lasting
from mlops.worlds.pinned import check_sources, compiled_pipeline, pin, submission_of
from mlops.worlds.sources import stage_sources, stages_of
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

PROCESS = "process"
"""File in a run's folder with the id of the process that executes it."""
PAUSE = 0.5
"""Seconds between two polls of a run that another process executes."""


def environments(store: Store, stages: Collection[str] | None = None) -> dict[str, localrun.Environment]:
    """Map every image to this interpreter, with the files that each stage can import, which its cache key covers.

    `stages` are those that will run, all by default.
    """
    sources = stage_sources(store, stages=stages)
    return {name: replace(environment, sources=sources) for name, environment in environments_of_images(store).items()}


class Laptop:
    """Runs pinned pipelines on this machine, in the process that follows them.

    Closing it ends the warm workers, unless they wait for the next command.
    """

    name = "laptop"
    finds_runs_of_others = False

    def __init__(self, context: WorldContext) -> None:
        """Use the context's store; with `in_containers`, new runs use containers."""
        self._context = context
        kept = lasting(context.store, context.environment) if context.keeps_workers else None
        self._hosts = context.hosts or localrun.Hosts(kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hosts.close()

    @property
    def store(self) -> Store:
        """The context's store."""
        return self._context.store

    def pin(self, request: RunRequest) -> Pinned:
        """Pin a run to the data and models of the store."""
        pinned = pin(request, self.store, before_compiling=None if self._context.in_containers else self._warm_up)
        if request.compiled is not None:  # steps run the checkout's code, whatever the images in the file hold
            sources = compiled_pipeline(request.usecase, request.pipeline, self.store)
            check_sources(request.usecase, request.pipeline, request.compiled, sources)
        return pinned

    def submit(self, request: RunRequest) -> Submitted:
        """Pin and record a run; it starts when it is followed."""
        in_containers, store = self._context.in_containers, self.store
        if before := self.started_by(request.trigger):
            return Submitted(before, store.runs / before)
        pinned = self.pin(request)
        if in_containers:
            containers(request.usecase.cli_name, pinned.parameters.get("source", ""), store)
        with _explained():
            run_id = localrun.create(pinned.pipeline, pinned.parameters, store=store.root)
        folder = store.runs / run_id
        write_submission(folder, submission_of(request, pinned, self.name, containers=in_containers))
        return Submitted(run_id, folder)

    def started_by(self, trigger: str) -> str:
        """Search the submissions of this store."""
        return triggered(self.store, trigger)

    def follow(self, run_id: str, watcher: Watcher, deadline: float | None = None) -> Run:
        """Execute the run in this process, or, where another process executes it, poll it until its end.

        The deadline cancels a run that is executed here; it can be resumed.
        """
        run = self.result(run_id)
        if run.state.is_final:
            return run
        if run.state is State.RUNNING:
            return self._watch(run, watcher, deadline)
        submission = run.submission
        process = run.folder / PROCESS
        durable.replace(process, str(os.getpid()).encode())
        try:
            with _explained():
                pipeline = localrun.load(run.folder / "pipeline.yaml")
                options = localrun.Options(
                    cache=submission.cache,
                    ahead=stages_ahead(pipeline),
                    on_event=lambda event: watcher(event_of(event, submission)),
                    hosts=self._hosts,
                    run_timeout=deadline,
                )
                environments = self._environments(run, pipeline)
                ended = localrun.resume(run_id, store=self.store.root, environments=environments, options=options)
        finally:
            process.unlink(missing_ok=True)
        return run_of(ended, submission)

    def result(self, run_id: str) -> Run:
        """Return the run as the runner's journal has it."""
        submission = read_submission(self.store, run_id)
        check_world(run_id, submission, self.name)
        with _explained():
            return run_of(localrun.show(self.store.root, run_id), submission)

    def cancel(self, run_id: str) -> None:
        """Ask the process that executes a run to end it in order."""
        run = self.result(run_id)
        process = run.folder / PROCESS
        if run.state is not State.RUNNING:
            raise MlopsError(f"run {run_id} is {run.state.lower()} and no process executes it: nothing to cancel")
        if not process.is_file():
            raise MlopsError(
                f"run {run_id} is executed by a process whose id is not known; press Ctrl-C in its terminal"
            )
        with suppress(ProcessLookupError):
            os.kill(int(process.read_text(encoding="utf-8")), signal.SIGTERM)

    def resume(self, run_id: str) -> None:
        """Reopen a run that has ended, so that `follow` continues it."""
        run = self.result(run_id)
        if run.state is not State.INTERRUPTED:
            with _explained():
                localrun.reopen(run_id, store=self.store.root)
            forget_end(run.folder)

    @property
    def schedules(self) -> Schedules:
        """Raise UnsupportedByWorld: no process of this machine outlives the command."""
        raise UnsupportedByWorld(
            "laptop: no schedules here, because nothing runs between two commands; "
            "apply them to a cluster with --at kfp, or let this machine's cron call `mlops run`"
        )

    def _environments(self, run: Run, pipeline: localrun.Pipeline) -> Mapping[str, localrun.Environment]:
        if run.submission.containers:
            return containers(run.submission.cli_name, str(run.parameters.get("source", "")), self.store)
        return environments(self.store, stages_of(pipeline))

    def _watch(self, run: Run, watcher: Watcher, deadline: float | None) -> Run:
        """Poll a run that another process executes."""
        began, known = time.monotonic(), {task.path: task for task in run.tasks}
        watcher(RunStarted(run.run_id, run.pipeline, run.folder, run.tasks))
        while run.state is State.RUNNING:
            if deadline is not None and time.monotonic() - began > deadline:
                raise MlopsError(
                    f"run {run.run_id} has not ended within {deadline / 60:g} minutes and goes on; "
                    f"follow it again with: mlops runs follow {run.run_id}"
                )
            time.sleep(PAUSE)
            run = self.result(run.run_id)
            for task in run.tasks:
                if known.get(task.path) != task:
                    watcher(TaskChanged(task))
            known = {task.path: task for task in run.tasks}
        watcher(RunEnded(run))
        return run

    def _warm_up(self) -> None:
        """Start the workers' imports now, while the pipeline is compiled: a new pipeline has no cached results."""
        for environment in environments_of_images(self.store).values():
            self._hosts.get(environment, executes=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the runner's errors into the product's."""
    try:
        yield
    except localrun.LocalrunError as error:
        raise MlopsError(str(error)) from error
