"""Keeps worker and sidecar processes alive.

A listening socket stays open here while a worker is replaced, so a connection waits for the next worker and is not
refused. The supervisor imports what the workers need but never runs it, so that a forked worker starts quickly.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import MlopsError
from serving.processes import process

_LOG = logging.getLogger("serving")
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


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


class _Process(NamedTuple):
    slot: int
    started: float


@dataclass
class _State:
    running: dict[int, _Process] = field(default_factory=dict)
    """The running processes, by process id."""
    early: int = 0
    stopping: bool = False


@dataclass(frozen=True)
class Job:
    """What the processes run, and the callbacks for their ends."""

    work: Callable[[], None]
    sidecars: tuple[Callable[[], None], ...] = ()
    """Each runs in one more process, which is replaced as a worker is."""
    on_exit: Callable[[int], None] = lambda _: None
    """Called with the id of each process that ended."""
    on_stop: Callable[[], None] = lambda: None
    """Called before the processes are stopped."""


def supervise(job: Job, policy: WorkerPolicy) -> None:
    """Run a job's work in forked processes until SIGTERM or SIGINT.

    Raises MlopsError when processes die again and again without having served.
    """
    slots = [*job.sidecars, *[job.work] * policy.workers]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    state = _State()
    try:
        while not state.stopping:
            for slot in set(range(len(slots))) - {worker.slot for worker in state.running.values()}:
                state.running[process.fork(slots[slot], signal.SIGTERM)] = _Process(slot, time.monotonic())
            _await_signal(state)
            _reap(state, policy, job)
    finally:
        _stop(state, policy, job)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await_signal(state: _State) -> None:
    received = signal.sigtimedwait(_WATCHED, 1.0)
    if received is not None and received.si_signo != signal.SIGCHLD:
        state.stopping = True


def _reap(state: _State, policy: WorkerPolicy, job: Job) -> None:
    for pid, worker in list(state.running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            continue
        del state.running[pid]
        job.on_exit(pid)
        if state.stopping:
            continue
        _LOG.error("process %d ended with %s; another takes its place", pid, process.ending(status))
        state.early = state.early + 1 if time.monotonic() - worker.started < policy.early_seconds else 0
        if state.early >= policy.early_deaths:
            raise MlopsError(
                f"{state.early} processes in a row ended within {policy.early_seconds:g} s of their start; "
                "the log above says why"
            )


def _stop(state: _State, policy: WorkerPolicy, job: Job) -> None:
    state.stopping = True
    job.on_stop()
    for pid in state.running:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + policy.stop_seconds
    while state.running and time.monotonic() < deadline:
        signal.sigtimedwait([signal.SIGCHLD], 0.1)
        _reap(state, policy, job)
    for pid in list(state.running):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        job.on_exit(pid)
