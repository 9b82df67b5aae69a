"""Which tasks may start beside others: those whose memory fits into what the machine has left."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localrun.context import Job


_GROUP = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that can be used before memory runs out, on the machine or in this process's control group."""
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if line.startswith("MemAvailable:"))
        return min(int(line.split()[1]) * 1024, _group_available())
    return 2**62


def _group_available() -> int:
    with suppress(OSError, ValueError):  # control groups of version 2; "max" is no number
        limit, used = (int((_GROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        cache = dict(line.split() for line in (_GROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(cache.get("inactive_file", 0))
    return 2**62


@dataclass(frozen=True)
class Admission:
    """Compares what tasks are said to need, or needed the last time, with what there is."""

    peaks: Mapping[str, int]
    """Bytes that tasks of a component used at most in earlier runs."""
    available: Callable[[], int]

    def need(self, job: "Job") -> int:
        """Bytes that a task will use: as declared, else as before, else nobody knows and it counts as nothing."""
        return job.container.memory or self.peaks.get(job.node.component.name, 0)

    def fits(self, job: "Job", running: Iterable[tuple["Job", int]]) -> bool:
        """Whether a task may start beside those that run, each given with the bytes it uses already; alone it always may."""
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
