"""The scheduler of a run: takes what is ready from the graph, finds its result or starts it, records how it ended."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from localrun.cache.key import Key
from localrun.events import Noted, TaskRetrying
from localrun.execution.admission import Admission
from localrun.execution.ahead import Ahead, functions_ahead
from localrun.execution.attempts import Attempts
from localrun.execution.context import Context, Job
from localrun.execution.lookup import Lookup, Result
from localrun.execution.loop import Loop
from localrun.execution.outcome import Outcome, conclude, import_artifact
from localrun.execution.roster import Roster
from localrun.graph.graph import Graph
from localrun.graph.nodes import Delayed, Ended, Joined, News, Node
from localrun.hosts.host import Message
from localrun.records import State, TaskRun, Values
from localrun.spec.pipeline import Container, Importer
from localrun.store.digests import verify
from localrun.store.layout import discard

_FLUSH_SECONDS = 0.2
"""Cache hits are journaled within this time, since they can be found again; everything that ran, at once."""

_PUT_BACK = 3
"""How often a task may lose its host before it has started; more often than that, something is wrong with it."""


class Scheduler:
    """Runs one pipeline to its end; everything but `cancel` belongs to the thread that calls `run`."""

    def __init__(self, context: Context, tasks: Mapping[str, TaskRun]) -> None:
        self.context = context
        self.options = context.options
        self.journal = context.journal
        self.roster = Roster(context, tasks)
        self.cancelled = ""
        """Why the run was stopped; empty while it was not."""
        self.graph = Graph(context.pipeline, context.inputs, context.runtime, functions_ahead(self.options))
        self._ahead = Ahead(self._refuse, self._stop_ahead)
        self._loop = Loop()
        self._attempts = Attempts(context, self._loop, self.roster, self._ended)
        self._admission = Admission(context.journal.peaks(context.pipeline.name), context.options.available_memory)
        self._waiting: list[Job] = []
        self._lookup = Lookup(context, self._loop, self._waiting, self._looked_up)
        self._urgent = False
        self._flush_planned = False
        self._noted: set[str] = set()

    def run(self) -> None:
        """Return when nothing more can be done; errors of tasks are in their records."""
        timeout = self.options.run_timeout
        if timeout is not None:
            reason = f"the run took longer than {timeout:g} s"
            self._loop.after(timeout, partial(self._stop, reason, False))
            self._loop.after(2 * timeout, partial(self._stop, reason, True))  # exit tasks have as long again
        try:
            self.graph.advance()
            self._settle()
            while self.graph.state is State.RUNNING:
                self._loop.receive()
                self._settle()
        finally:
            self._stop("the runner stopped", True)
            self._loop.close()
            self._lookup.close()
            self._attempts.close()

    def cancel(self, *, kill: bool = False) -> None:
        """Stop the run; safe from a signal handler and from other threads."""
        self._loop.post(partial(self._stop, "cancelled", kill))

    def _stop(self, reason: str, kill: bool) -> None:
        """Start nothing more but exit tasks, and end what runs; with `kill` those too, and at once."""
        if self.graph.state is not State.RUNNING:
            return
        self.cancelled = self.cancelled or reason
        self.graph.cancel(kill=kill)
        self._attempts.stop(self.graph.is_stopped, kill=kill)
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        for job in [job for job in self._waiting if self.graph.is_stopped(job.node)]:
            self._waiting.remove(job)
            self._drop(job)

    def _drop(self, job: Job) -> None:
        """A job that has not been started never will be."""
        self._ahead.count(job, partial(self.graph.finish, job.node, State.CANCELLED, Values(), ran=False))

    def _refuse(self, job: Job) -> None:
        """A job that was started ahead ends as if it had not been."""
        assert job.node.refused is not None
        state, now = job.node.refused, self.options.clock()
        self.roster.record(replace(job.record, state=state, outputs=Values(), cached=False, finished=now))
        self.graph.finish(job.node, state, Values(), ran=False)

    def _stop_ahead(self, node: Node) -> None:
        self._attempts.stop(lambda other: other is node, kill=False)
        self._drop_waiting()

    def _settle(self) -> None:
        """Act on the graph's news until there are none, make it all durable, then start tasks."""
        chosen: list[Job] = []
        while True:
            while self.graph.news:
                self._take(self.graph.news.popleft())
            while self.graph.ready and not self.graph.news:
                self._accept(*self.graph.ready.popleft())
            if not self.graph.news:
                chosen += self._choose()
                if not self.graph.news and not self.graph.ready:
                    break
        if chosen or self._urgent or self._lookup.is_behind or self.graph.state is not State.RUNNING:
            self._flush()
        elif self.journal.is_behind and not self._flush_planned:
            self._flush_planned = True
            self._loop.after(_FLUSH_SECONDS, self._flush)
        for job in chosen:
            self._attempts.start(job)

    def _take(self, news: News) -> None:
        """A task came up, ended without having been started, or is to be opened again."""
        if isinstance(news, Delayed):
            self._loop.after(news.seconds, partial(self._reopen, news.node))
        elif isinstance(news, Joined):
            self._ahead.joined(news.node)
        elif isinstance(news, Ended):
            self.roster.record(
                replace(self.roster[news.path], state=news.state, error=news.error, finished=self.options.clock())
            )
        else:
            self.roster.add(news.path, news.component)
            if news.task.loop is not None and news.is_begun:
                self.roster.record(replace(self.roster[news.path], state=State.RUNNING, started=self.options.clock()))

    def _reopen(self, node: Node) -> None:
        """A failed group is tried again."""
        self.roster.reset(f"{node.path}/")
        self.graph.reopen(node)

    def _flush(self) -> None:
        self._urgent = self._flush_planned = False
        self.journal.flush()
        self._lookup.committed()

    # A job is accepted, looked up, then finished from the cache; or else checked, chosen, started, concluded, finished.

    def _accept(self, node: Node, inputs: Values) -> None:
        """A task has all its inputs."""
        job = Job(node, inputs, replace(self.roster[node.path], inputs=inputs))
        if isinstance(node.component.implementation, Container):
            job.record = replace(job.record, image=job.container.image)
        if self.graph.is_stopped(node):
            self._drop(job)
        elif job.record.state is State.SUCCEEDED and not node.must_run_again:
            self._loop.work(
                partial(verify, job.record.outputs.every_artifact(), self.context.digests), partial(self._resumed, job)
            )
        elif isinstance(node.component.implementation, Importer):
            execution = self.context.new_execution(node.task.name)
            job.record = replace(job.record, state=State.RUNNING, execution=execution, started=self.options.clock())
            self._loop.work(partial(import_artifact, self.context, job), partial(self._finish, job))
        else:
            self._look_up(job)

    def _resumed(self, job: Job, problem: str) -> None:
        """A task had succeeded before the run was interrupted: it counts if its outputs are still what they were."""
        if problem:
            job.record = replace(job.record, state=State.PENDING)
            self._look_up(job)
        else:
            done = partial(self.graph.finish, job.node, State.SUCCEEDED, job.record.outputs, ran=False)
            self._ahead.count(job, done)

    def _look_up(self, job: Job) -> None:
        """Compute the key and search for an earlier result."""
        job.key = self.context.cache_key(job)
        self._note(job, job.key)
        if not self._lookup.search(job):
            self._looked_up(job, (None, []))

    def _note(self, job: Job, key: Key) -> None:
        """Say why a result will not be used again: once for each reason, and in the record of each task."""
        if not key.reason or not self.context.may_cache(job):
            return
        job.record = replace(job.record, not_cached=key.reason)
        if key.reason not in self._noted:
            self._noted.add(key.reason)
            self.options.on_event(Noted(f"{job.record.path}: not cached, because {key.reason}"))

    def _looked_up(self, job: Job, result: Result) -> None:
        """Use the earlier result, or get ready to run."""
        hit, spoilt = result
        for execution in spoilt:
            self.journal.write_execution(replace(execution, state=State.FAILED))
        if hit is not None:
            job.record = replace(job.record, cached=True, execution=hit.execution, started=self.options.clock())
            self._finish(job, Outcome(State.SUCCEEDED, outputs=hit.outputs))
            return
        self._attempts.warm()  # a first task really runs: others will follow, and their imports take long
        artifacts = job.inputs.every_artifact()
        if artifacts:
            self._loop.work(partial(verify, artifacts, self.context.digests), partial(self._checked, job))
        else:
            self._checked(job, "")

    def _checked(self, job: Job, problem: str) -> None:
        """The inputs are what they were when they were made, or the task must not see them."""
        if problem:
            self._finish(job, Outcome(State.FAILED, error=problem))
        elif self.graph.is_stopped(job.node):
            self._drop(job)
        else:
            self._waiting.append(job)

    def _choose(self) -> list[Job]:
        """Take the jobs that can start now: there is a free slot, and a host that has imported what they need."""
        chosen: list[Job] = []
        for job in sorted((job for job in self._waiting if not job.resting), key=lambda job: job.node.is_ahead):
            if len(self._attempts) >= self.options.workers:
                break
            host = self._attempts.host(job)
            if host.error:
                self._waiting.remove(job)
                self._finish(
                    job,
                    Outcome(
                        State.FAILED, error=f"the environment of {job.container.image!r} cannot start: {host.error}"
                    ),
                )
            elif host.can_start(job.record.function) and self._admission.fits(job, self._attempts.used()):
                self._waiting.remove(job)
                if self._lookup.takes_off(job):
                    host.expect(job.record.function)
                    chosen.append(self._attempts.claim(job))
        return chosen

    def _ended(self, job: Job, message: Message) -> None:
        """A task's process and all its descendants are gone."""
        stopped = self.graph.is_stopped(job.node)
        if not message.get("begun", True) and job.put_back < _PUT_BACK and not stopped:
            self._put_back(job)
            return
        self._loop.work(
            partial(conclude, self.context, job, message, self.cancelled if stopped else ""),
            partial(self._concluded, job),
        )

    def _put_back(self, job: Job) -> None:
        """The host died before it started the task: that was no attempt."""
        assert job.attempt is not None
        discard(job.attempt.staging)
        job.attempt.view.discard(self.context.digests, job.inputs)
        self._journal(job, State.FAILED, Values(), "")
        job.put_back += 1
        job.record = replace(job.record, attempts=job.record.attempts - 1)
        self._waiting.append(job)

    def _concluded(self, job: Job, outcome: Outcome) -> None:
        """An attempt is done, to be tried again, or failed for good."""
        retry = job.node.task.retry
        job.failures += outcome.state is State.FAILED
        if (
            outcome.state is not State.FAILED
            or job.failures > retry.count
            or outcome.is_final
            or self.graph.is_stopped(job.node)
        ):
            self._finish(job, outcome)
            return
        job.alone = outcome.out_of_memory
        delay = retry.delay(job.failures)
        self._journal(job, State.FAILED, Values(), "")
        job.record = outcome.on_record(job.record, self.options.clock())
        self.roster.record(replace(job.record, state=State.PENDING))
        self.options.on_event(TaskRetrying(job.record, delay))
        job.resting = True
        self._waiting.append(job)
        self._loop.after(delay, job.rested)

    def _finish(self, job: Job, outcome: Outcome) -> None:
        """Record a task's end and let the graph go on."""
        self._lookup.land(job)
        self._note(job, outcome.key)
        if job.attempt is not None or isinstance(job.node.component.implementation, Importer):
            self._journal(job, outcome.state, outcome.outputs, outcome.key.value)
        self._ahead.count(job, partial(self._end, job, outcome))

    def _end(self, job: Job, outcome: Outcome) -> None:
        job.record = outcome.on_record(job.record, self.options.clock())
        self.roster.record(job.record)
        self.graph.finish(job.node, outcome.state, outcome.outputs, error=outcome.error)

    def _journal(self, job: Job, state: State, outputs: Values, key: str) -> None:
        self._urgent = True
        self.roster.write_execution(job.record, state, outputs, key)
