"""How a run is executed; nothing here changes what it computes."""

import os
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from localrun.events import Event
from localrun.hosts.hosts import Hosts
from localrun.hosts.memory import available


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return secrets.token_hex(6)


def _nothing(_: Event) -> None:
    pass


@dataclass(frozen=True)
class Options:
    """Settings of one run; clock and ids are settings so that a test can fix them."""

    accept: Collection[str] = ()
    """What is refused otherwise, and a warning with it: `accelerator`, `secret`, `packages` (see docs/localrun.md)."""
    cache: bool = True
    """Whether results of earlier runs are used; results are recorded either way."""
    max_workers: int = 0
    """Tasks that run at the same time; 0 is one per processor that this process may use."""
    on_event: Callable[[Event], None] = _nothing
    """Called in the run's own thread with everything that happens; must return quickly."""
    ahead: Collection[str] = ()
    """Functions that only write their outputs: where two tasks can run at the same time, one of them starts as soon as
    it has its inputs, although it has to wait for further tasks. It ends after those, and as if it had never started
    where one of them fails."""
    hosts: Hosts | None = None
    """Warm processes to share with other runs; without it the run starts and ends its own."""
    attempt_timeout: float | None = None
    """Seconds that one attempt of a task may take, unless the pipeline sets a shorter limit; None: no limit."""
    run_timeout: float | None = None
    """Seconds that the run may take before it is cancelled; None: no limit."""
    grace: float = 5.0
    """Seconds between asking a task to end and killing it."""
    available_memory: Callable[[], int] = available
    """Bytes that tasks may still use; asked before a task is started beside others."""
    clock: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id

    def limit(self, of_task: float) -> float | None:
        """Seconds that an attempt may take: the shorter of the task's own limit (0: none) and this run's."""
        limits = [seconds for seconds in (of_task or None, self.attempt_timeout) if seconds is not None]
        return min(limits, default=None)

    @property
    def workers(self) -> int:
        """Number of tasks that may run at the same time."""
        return self.max_workers if self.max_workers > 0 else len(os.sched_getaffinity(0))
