"""Processes on this machine, each with a port of its own."""

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from core.user_code import ROOT
from core.worker_jobs.job import WorkerFailed, WorkerJob

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30.0
"""How long a process may take to end when it is asked to."""


def run_here(job: WorkerJob, environment: Mapping[str, str]) -> None:
    """Start the processes of a job, again when one of them dies; WorkerFailed after the last attempt."""
    attempts = job.distribution.attempts
    for attempt in range(1, attempts + 1):
        try:
            _run_once(job, environment)
            return
        except WorkerFailed as error:
            if attempt == attempts:
                raise
            log.warning("%s; attempt %d of %d", error, attempt + 1, attempts)


def _run_once(job: WorkerJob, environment: Mapping[str, str]) -> None:
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(job.distribution.workers)]
    deadline = time.monotonic() + job.distribution.minutes * 60
    with _started(job, environment, addresses) as processes:
        while None in (codes := [process.poll() for process in processes]) and not any(codes):
            if time.monotonic() > deadline:
                raise WorkerFailed(
                    f"{codes.count(None)} of {len(codes)} processes are not done after "
                    f"{job.distribution.minutes:g} minutes; raise train_model.distribution.minutes"
                )
            time.sleep(_LOOK_SECONDS)
    for index, code in enumerate(codes):
        if code:
            raise WorkerFailed(f"process {index} of {len(codes)} ended with code {code}; see the step's log")


@contextmanager
def _started(
    job: WorkerJob, environment: Mapping[str, str], addresses: list[str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start all processes; those that still run are stopped at the end."""
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        for index in range(len(addresses)):
            config = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
            own = {**environment, "TF_CONFIG": config, "PYTHONPATH": _python_path(environment)}
            command = [sys.executable, "-m", job.module, *job.arguments]
            process = subprocess.Popen(command, env=own, cwd=ROOT)  # noqa: S603 - our own module
            processes.append(process)
            stack.callback(_stop, process)
        yield processes


def _python_path(environment: Mapping[str, str]) -> str:
    given = environment.get("PYTHONPATH", "")
    return f"{ROOT}:{given}" if given else str(ROOT)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago; a process whose port was taken fails, and all are started again."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
