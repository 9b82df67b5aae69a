"""Keeps worker processes alive, and those beside them that do something for all.

A listening socket stays open here while a worker is replaced, so a connection waits for the next worker and is not refused.
The supervisor imports what the workers need and never runs it: a worker is a fork, and starts in a fraction of a second.
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
class Crew:
    """How many workers, and how patient the supervisor is with its processes."""

    workers: int = 2
    early_seconds: float = 5.0
    """A process that dies sooner than this after its start has not served."""
    early_deaths: int = 5
    """So many of them in a row end the server: another start would not help."""
    stop_seconds: float = 30.0
    """How long processes may take to finish their requests before they are killed."""


class _Hand(NamedTuple):
    post: int
    started: float


@dataclass
class _State:
    hands: dict[int, _Hand] = field(default_factory=dict)
    """The processes there are, by their id."""
    early: int = 0
    stopping: bool = False


@dataclass(frozen=True)
class Job:
    """What the processes do, and what else there is to do when they come and go."""

    work: Callable[[], None]
    beside: tuple[Callable[[], None], ...] = ()
    """What one more process each does; it is replaced as a worker is."""
    gone: Callable[[int], None] = lambda _: None
    """Told the id of each process that ended."""
    stopping: Callable[[], None] = lambda: None
    """Called before the processes are told to stop."""


def supervise(job: Job, crew: Crew) -> None:
    """Run a job's work in forked processes until SIGTERM or SIGINT.

    Raises MlopsError when processes die again and again without having served.
    """
    posts = [*job.beside, *[job.work] * crew.workers]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    state = _State()
    try:
        while not state.stopping:
            for post in set(range(len(posts))) - {hand.post for hand in state.hands.values()}:
                state.hands[process.fork(posts[post], signal.SIGTERM)] = _Hand(post, time.monotonic())
            _await_signal(state)
            _reap(state, crew, job)
    finally:
        _stop(state, crew, job)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await_signal(state: _State) -> None:
    received = signal.sigtimedwait(_WATCHED, 1.0)
    if received is not None and received.si_signo != signal.SIGCHLD:
        state.stopping = True


def _reap(state: _State, crew: Crew, job: Job) -> None:
    for pid, hand in list(state.hands.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            continue
        del state.hands[pid]
        job.gone(pid)
        if state.stopping:
            continue
        _LOG.error("process %d ended with %s; another takes its place", pid, process.ending(status))
        state.early = state.early + 1 if time.monotonic() - hand.started < crew.early_seconds else 0
        if state.early >= crew.early_deaths:
            raise MlopsError(
                f"{state.early} processes in a row ended within {crew.early_seconds:g} s of their start; the log above says why"
            )


def _stop(state: _State, crew: Crew, job: Job) -> None:
    state.stopping = True
    job.stopping()
    for pid in state.hands:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + crew.stop_seconds
    while state.hands and time.monotonic() < deadline:
        signal.sigtimedwait([signal.SIGCHLD], 0.1)
        _reap(state, crew, job)
    for pid in list(state.hands):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        job.gone(pid)
