"""Earlier results: searched for before a task runs, and again when another task has just computed the same."""

from collections.abc import Callable
from functools import partial

from localrun.cache.flight import Flights
from localrun.execution.context import Context, Job
from localrun.execution.loop import Loop
from localrun.store.digests import verify
from localrun.store.journal import Execution

Result = tuple[Execution | None, list[Execution]]
"""The first earlier result whose bytes are what they were, and those before it that are not."""


class Lookup:
    """One run's view of what the store knows; belongs to the scheduler's thread."""

    def __init__(
        self, context: Context, loop: Loop, waiting: list[Job], looked_up: Callable[[Job, Result], None]
    ) -> None:
        self._context = context
        self._loop = loop
        self._looked_up = looked_up
        self._waiting = waiting
        self._flights = Flights(context.layout, loop.post)
        self._landed: list[str] = []
        """Keys whose results are committed with the next flush; only then may others look for them."""

    def search(self, job: Job) -> bool:
        """Whether there are earlier results; they will be verified and handed on."""
        found = self._context.journal.candidates(job.key.value) if self._may_use_cache(job) else []
        if found:
            self._loop.work(partial(self._first_intact, found), partial(self._looked_up, job))
        return bool(found)

    def takes_off(self, job: Job) -> bool:
        """Whether it is this task that computes its key; otherwise it comes back when another has, or has failed to."""
        if job.flying or not self._may_use_cache(job):
            return True
        job.flying = self._flights.acquire(job.key.value, partial(self._other_landed, job))
        if not job.flying:
            job.resting = True
            self._waiting.append(job)
        return job.flying and not self.search(job)

    def land(self, job: Job) -> None:
        """A task has ended: its key is free as soon as that is committed."""
        if job.flying:
            job.flying = False
            self._landed.append(job.key.value)

    @property
    def is_behind(self) -> bool:
        """Whether another run may be waiting for a commit."""
        return bool(self._landed)

    def committed(self) -> None:
        """Everything that ended is in the journal."""
        while self._landed:
            self._flights.release(self._landed.pop())

    def close(self) -> None:
        """Let others compute what this run did not come to."""
        self._flights.close()

    def _may_use_cache(self, job: Job) -> bool:
        return bool(job.key.value) and self._context.may_cache(job)

    def _other_landed(self, job: Job) -> None:
        job.flying, job.resting = True, False
        if job not in self._waiting:  # it was stopped meanwhile
            self.land(job)
        elif self._context.journal.candidates(job.key.value):
            self._waiting.remove(job)
            self.search(job)

    def _first_intact(self, found: list[Execution]) -> Result:
        spoilt: list[Execution] = []
        for execution in found:
            if not verify(execution.outputs.artifacts, self._context.digests):
                return execution, spoilt
            spoilt.append(execution)
        return None, spoilt
