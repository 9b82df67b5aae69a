"""The attempts that are under way: started, limited in time, and handed back when they have ended."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from localrun.errors import LocalrunError
from localrun.execution.ahead import functions_ahead
from localrun.execution.attempt import Attempt
from localrun.execution.context import Context, Job
from localrun.execution.fleet import Fleet
from localrun.execution.loop import Loop
from localrun.execution.roster import Roster
from localrun.graph.coming import Foresight
from localrun.graph.nodes import Node, task_runtime
from localrun.hosts.host import Host, Message
from localrun.records import State, Values


class Attempts:
    """What a run has started and not heard the end of, by execution; belongs to the scheduler's thread."""

    def __init__(self, context: Context, loop: Loop, roster: Roster, ended: Callable[[Job, Message], None]) -> None:
        self._context = context
        self._loop = loop
        self._roster = roster
        self._fleet = Fleet(context, loop)
        self._foresight = Foresight(context.pipeline, context.runtime, functions_ahead(context.options))
        self._running: dict[str, Job] = {}
        self._stopped: set[str] = set()
        """Those that were asked to end, perhaps before they were started."""
        self._warmed = False
        self._report_end = ended
        """Called with every job whose process, and all that it started, has ended."""

    def __len__(self) -> int:
        return len(self._running)

    def used(self) -> Iterator[tuple[Job, int]]:
        """Yield running jobs with the bytes that they use."""
        for execution, job in self._running.items():
            yield job, self._fleet.memory(job.container, execution)

    def host(self, job: Job) -> Host:
        """The warm process that a job would be started from."""
        return self._fleet.host(job.container)

    def warm(self) -> None:
        """Start every host that pending tasks need, once: the imports run beside the first task."""
        if not self._warmed:
            self._warmed = True
            self._fleet.warm(self._roster.pending())

    def claim(self, job: Job) -> Job:
        """Give a job its attempt and journal it before anything is started."""
        context, path = self._context, job.record.path
        execution, number = context.new_execution(job.node.task.name), job.record.attempts + 1
        attempt = Attempt(
            context.layout,
            context.pipeline.name,
            context.run_id,
            path,
            number,
            execution,
            replace(job.node.component, implementation=job.container),
            job.inputs,
        )
        started = context.options.clock()
        job.attempt, job.timed_out = attempt, False
        job.record = replace(
            job.record, state=State.RUNNING, attempts=number, execution=execution, started=started, log=attempt.log
        )
        job.record = replace(job.record, error="", failed_outputs=None, cached=False)
        self._running[execution] = job
        self._roster.write_execution(job.record, State.RUNNING, Values(), job.key.value)
        self._roster.record(job.record)
        return job

    def start(self, job: Job) -> None:
        """Start a claimed job's attempt; inputs that must be copied first are copied outside of the loop."""
        if job.inputs.artifacts or job.inputs.lists:
            self._loop.work(partial(self._prepared, job), partial(self._launch, job))
        else:
            self._launch(job, self._prepared(job))

    def _prepared(self, job: Job) -> Path | str:
        """Return the launch file of a claimed job's attempt, or why there is none."""
        assert job.attempt is not None
        context, uuid = self._context, {"pipeline_task_uuid": job.record.execution}
        runtime: Mapping[str, str] = {**task_runtime(context.runtime, job.node), **uuid}
        try:
            return job.attempt.prepare(context.environment(job), runtime, context.options.grace, context.digests)
        except (LocalrunError, OSError) as error:
            return str(error)

    def _launch(self, job: Job, launch: Path | str) -> None:
        execution = job.record.execution
        ended = partial(self._ended, execution)
        if isinstance(launch, str) or execution in self._stopped:
            reason = launch if isinstance(launch, str) else "stopped before it was started"
            self._loop.post(partial(ended, {"event": "ended", "error": reason}))
            return
        self._fleet.submit(job.container, execution, launch, ended)
        running = [other.node for other in self._running.values()]
        self._fleet.foresee(self._foresight.following(job.node, running))
        limit = self._context.options.limit(job.container.seconds)
        if limit is not None:
            self._loop.after(limit, partial(self._time_out, execution))

    def stop(self, is_stopped: Callable[[Node], bool], *, kill: bool) -> None:
        """End the attempts of stopped tasks: asked first, or killed at once."""
        for execution, job in self._running.items():
            if is_stopped(job.node):
                self._stopped.add(execution)
                self._fleet.host(job.container).cancel(execution, kill=kill)

    def close(self) -> None:
        """Stop listening to the hosts."""
        self._fleet.close()

    def _time_out(self, execution: str) -> None:
        """An attempt took too long, unless it has ended by now."""
        job = self._running.get(execution)
        if job is not None:
            job.timed_out = True
            self._fleet.host(job.container).cancel(execution)

    def _ended(self, execution: str, message: Message) -> None:
        job = self._running.pop(execution)
        message["beside"] = bool(self._running)
        self._report_end(job, message)
