"""Keeps worker and sidecar processes alive, lets workers change versions together, and replaces those that grew.

A listening socket stays open here while a worker is replaced, so a connection waits for the next worker and is not
refused. The supervisor imports what the workers need but never runs it, so that a forked worker starts quickly.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import MlopsError
from serving.processes import process
from serving.processes.agreement import Agreement
from serving.processes.channel import SupervisorEnd, Together, WorkerEnd, connect
from serving.processes.memory import Memory
from serving.processes.moment import Moment
from serving.processes.recycling import Recycling, Use

_LOG = logging.getLogger("serving")
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGIO)
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_SAME_STOP_SECONDS = 0.5
"""Signals so soon after the first are the same wish: `timeout` sends two."""


@dataclass(frozen=True)
class WorkerPolicy:
    """How many workers run, when the supervisor gives up, and how long it waits for them to stop."""

    workers: int = 2
    early_seconds: float = 5.0
    """A process that ends sooner than this after its start counts as an early death."""
    early_deaths: int = 5
    """This many in a row end the server: another start would not help."""
    stop_seconds: float = 30.0
    """How long processes may take to finish their requests before they are killed."""
    change_seconds: float = 30.0
    """How long a change of version waits for workers that have not loaded it, after the first one has."""
    recycling: Recycling = field(default_factory=Recycling)


@dataclass(frozen=True)
class Job:
    """What the processes run, and the callbacks for their ends."""

    work: Callable[[WorkerEnd], None]
    sidecars: tuple[Callable[[], None], ...] = ()
    """Each runs in one more process, which is replaced as a worker is."""
    on_exit: Callable[[int], None] = lambda _: None
    """Called with the id of each process that ended."""
    on_stop: Callable[[], None] = lambda: None
    """Called before the processes are stopped."""


@dataclass
class _Process:
    slot: int
    started: float
    end: SupervisorEnd
    is_ready: bool = False
    kill_at: float | None = None
    """When it is killed; set for a worker that was asked to end, and for one that is to take another's place."""
    replaces: int | None = None
    """The process whose place it takes once it is ready."""
    retiring: bool = False
    use: Use = field(default_factory=Use)


def supervise(job: Job, policy: WorkerPolicy) -> None:
    """Run a job's work in forked processes until SIGTERM or SIGINT; a second one does not wait for what they do.

    Raises MlopsError when processes die again and again without having served.
    """
    # Without a handler, a SIGIO that comes late or reaches a library's thread would end this process.
    signal.signal(signal.SIGIO, lambda *_: None)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    supervisor = _Supervisor(job, policy)
    try:
        supervisor.run()
    finally:
        supervisor.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Supervisor:
    def __init__(self, job: Job, policy: WorkerPolicy) -> None:
        self._job = job
        self._policy = policy
        self._running: dict[int, _Process] = {}
        self._early = 0
        self._stopping = False
        self._agreement = Agreement(policy.change_seconds)
        self._moment = Moment()
        self._told = self._together()
        self._recycle_at = 0.0

    def run(self) -> None:
        while not self._stopping:
            for slot in set(range(self._slots())) - {
                child.slot for child in self._running.values() if not child.retiring
            }:
                self._fork(slot)
            received = signal.sigtimedwait(_WATCHED, 1.0)
            if received is not None and received.si_signo in _STOPPING:
                return
            self._reap()
            self._read()
            self._agree()
            self._recycle()
            self._kill_overdue()

    def stop(self) -> None:
        """Let the processes finish, for as long as the policy says or until a signal asks to stop once more."""
        self._stopping = True
        self._job.on_stop()
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        began = time.monotonic()
        while self._running and time.monotonic() < began + self._policy.stop_seconds:
            received = signal.sigtimedwait(_WATCHED, 0.1)
            self._reap()
            self._read()  # a process that is starting waits for an answer
            is_again = received is not None and received.si_signo in _STOPPING
            if is_again and time.monotonic() >= began + _SAME_STOP_SECONDS:
                break
        for pid in list(self._running):
            _LOG.error("process %d had not finished, and is killed", pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._forget(pid)

    def _workers(self) -> dict[int, _Process]:
        return {pid: child for pid, child in self._running.items() if child.slot >= len(self._job.sidecars)}

    def _slots(self) -> int:
        return len(self._job.sidecars) + self._policy.workers

    def _fork(self, slot: int, replaces: int | None = None) -> None:
        ours, theirs = connect(self._moment)
        ours.send(self._together())

        def work() -> None:
            for other in (*(child.end for child in self._running.values()), ours):
                other.close()
            sidecars = self._job.sidecars
            return sidecars[slot]() if slot < len(sidecars) else self._job.work(theirs)

        pid = process.fork(work, signal.SIGTERM)
        theirs.close()
        now = time.monotonic()
        kill_at = now + self._policy.recycling.start_seconds if replaces else None
        self._running[pid] = _Process(slot, now, ours, kill_at=kill_at, replaces=replaces)

    def _reap(self) -> None:
        for pid, child in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            self._forget(pid)
            if self._stopping:
                continue
            if child.retiring:
                _LOG.info("process %d ended with %s; another has taken its place", pid, process.ending(status))
                continue
            if child.replaces is not None:
                _LOG.error("fresh process %d ended with %s; the one before it stays", pid, process.ending(status))
                self._recycle_at = time.monotonic() + self._policy.recycling.retry_seconds
                continue
            _LOG.error("process %d ended with %s; another takes its place", pid, process.ending(status))
            self._early = self._early + 1 if time.monotonic() - child.started < self._policy.early_seconds else 0
            if self._early >= self._policy.early_deaths:
                raise MlopsError(
                    f"{self._early} processes in a row ended within {self._policy.early_seconds:g} s of their start; "
                    "the log above says why"
                )

    def _forget(self, pid: int) -> None:
        self._running.pop(pid).end.close()
        self._agreement.leave(pid)
        self._job.on_exit(pid)
        for child in self._running.values():
            if child.replaces == pid:  # it is simply the next one now
                child.replaces = child.kill_at = None

    def _read(self) -> None:
        for pid, child in self._running.items():
            for message in child.end.received():
                if "propose" in message:
                    self._agreement.propose(pid, *message["propose"])
                if "join" in message:
                    self._agreement.join(pid)
                    child.end.joined()
                if "ready" in message:
                    child.is_ready = True
                    self._agreement.ready(pid)
                if "loads" in message:
                    child.use.report(message["loads"], Memory(*message["memory"]))

    def _agree(self) -> None:
        self._agreement.decide(time.monotonic())
        if (together := self._together()) != self._told:
            self._told = together._replace(moment=self._moment.number + 1)
            for pid, child in self._workers().items():
                if not child.end.send(self._told):
                    _LOG.error("process %d does not read what it is told, and is killed", pid)
                    os.kill(pid, signal.SIGKILL)
            # All workers see this at once, however long the system takes to let each of them read its message.
            self._moment.advance(self._told.moment)

    def _together(self) -> Together:
        return Together(dict(self._agreement.agreed), self._agreement.is_served, self._moment.number)

    def _recycle(self) -> None:
        """Let fresh workers take the places of those that grew or fell behind, one at a time."""
        now = time.monotonic()
        for child in self._running.values():
            if child.replaces is not None and child.is_ready:
                self._retire(self._running[child.replaces])
                child.replaces = child.kill_at = None
        if any(child.retiring or child.replaces is not None for child in self._running.values()):
            self._recycle_at = max(self._recycle_at, now + self._policy.recycling.pause_seconds)
        workers = self._workers()
        if now < self._recycle_at or not all(child.is_ready for child in workers.values()):
            return
        for pid, child in workers.items():
            late = "it did not follow a change of version" if pid in self._agreement.stragglers else ""
            if reason := late or child.use.reason_to_replace(self._policy.recycling):
                _LOG.info("process %d is being replaced: %s", pid, reason)
                self._fork(child.slot, replaces=pid)
                return

    def _retire(self, child: _Process) -> None:
        child.retiring = True
        child.kill_at = time.monotonic() + self._policy.stop_seconds
        child.end.retire()

    def _kill_overdue(self) -> None:
        for pid, child in self._running.items():
            if child.kill_at is not None and time.monotonic() >= child.kill_at:
                _LOG.error("process %d took too long to %s, and is killed", pid, "end" if child.retiring else "start")
                child.kill_at = None
                os.kill(pid, signal.SIGKILL)
