"""Which tasks may start beside others: those whose memory fits into what the machine has left."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from localrun.execution.context import Job


@dataclass(frozen=True)
class Admission:
    """Compares what tasks declare to need, or needed the last time, with what is available."""

    peaks: Mapping[str, int]
    """Bytes that tasks of a component used at most in earlier runs."""
    available: Callable[[], int]

    def need(self, job: Job) -> int:
        """Bytes that a task will use: as declared, else its peak in earlier runs, else 0."""
        return job.container.memory or self.peaks.get(job.node.component.name, 0)

    def fits(self, job: Job, running: Iterable[tuple[Job, int]]) -> bool:
        """Whether a task may start beside those that run, given with the bytes they use; alone it always may."""
        beside = list(running)
        if not beside:
            return True
        if job.alone or any(other.alone for other, _ in beside):
            return False
        need = self.need(job)
        if not need:
            return True
        promised = sum(max(0, self.need(other) - used) for other, used in beside)
        return need + promised <= self.available()
