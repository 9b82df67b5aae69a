"""Keeps worker processes alive behind one listening socket.

The socket stays open here while a worker is replaced, so a connection waits for the next worker and is not refused.
The supervisor imports TensorFlow and never runs it: a worker is a fork, and starts in a fraction of a second.
"""

import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mlops.core.errors import MlopsError
from mlops.serving import process

_LOG = logging.getLogger("mlops.serving")
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(frozen=True)
class Crew:
    """How many workers, and how patient the supervisor is with them."""

    workers: int = 2
    early_seconds: float = 5.0
    """A worker that dies sooner than this after its start has not served."""
    early_deaths: int = 5
    """So many of them in a row end the server: another start would not help."""
    stop_seconds: float = 30.0
    """How long workers may take to finish their requests before they are killed."""


@dataclass
class _State:
    started: dict[int, float] = field(default_factory=dict)
    early: int = 0
    stopping: bool = False


@dataclass(frozen=True)
class Job:
    """What the workers do, and what else there is to do when they come and go."""

    work: Callable[[], None]
    gone: Callable[[int], None] = lambda _: None
    """Told the process id of each worker that ended."""
    stopping: Callable[[], None] = lambda: None
    """Called before the workers are told to stop."""


def supervise(job: Job, crew: Crew) -> None:
    """Run a job's work in forked processes until SIGTERM or SIGINT.

    Raises MlopsError when workers die again and again without having served.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    state = _State()
    try:
        while not state.stopping:
            while len(state.started) < crew.workers:
                state.started[process.fork(job.work, signal.SIGTERM)] = time.monotonic()
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
    for pid, started in list(state.started.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            continue
        del state.started[pid]
        job.gone(pid)
        if state.stopping:
            continue
        _LOG.error("worker %d ended with %s; another takes its place", pid, _ending(status))
        state.early = state.early + 1 if time.monotonic() - started < crew.early_seconds else 0
        if state.early >= crew.early_deaths:
            raise MlopsError(f"{state.early} workers in a row ended within {crew.early_seconds:g} s of their start; the log above says why")


def _stop(state: _State, crew: Crew, job: Job) -> None:
    state.stopping = True
    job.stopping()
    for pid in state.started:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + crew.stop_seconds
    while state.started and time.monotonic() < deadline:
        signal.sigtimedwait([signal.SIGCHLD], 0.1)
        _reap(state, crew, job)
    for pid in list(state.started):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        job.gone(pid)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def serve_registry(listener: socket.socket, registry: Path, names: tuple[str, ...], crew: Crew, scratch: Path) -> None:
    """Serve models of a registry with a crew of workers that share their metrics in a folder below `scratch`."""
    shared = _metrics_folder(scratch)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
    # Only now: the metrics library chooses at import how numbers are kept, and TensorFlow must be here before the forks.
    from mlops.serving import metrics, savedmodel, server, source  # noqa: F401, PLC0415

    watched = source.RegistrySource(registry, names)
    try:
        # Closed here too when the workers go, or late connections would wait in a queue that nobody empties.
        job = Job(lambda: server.serve(watched, listener, server.Options()), lambda pid: metrics.forget_worker(pid, shared), listener.close)
        supervise(job, crew)
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def _metrics_folder(scratch: Path) -> Path:
    """Make this server's folder and remove those of servers that were killed."""
    scratch.mkdir(parents=True, exist_ok=True)
    for folder in scratch.iterdir():
        if folder.name.isdecimal() and not Path(f"/proc/{folder.name}").exists():
            shutil.rmtree(folder, ignore_errors=True)
    shared = scratch / str(os.getpid())
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir()
    return shared
