"""Worker processes of Beam's local runner: forks of one process that has imported what they need.

Beam starts each worker as a new interpreter, which imports TensorFlow and all else again: seconds of CPU before the
first row. Here a spare process is forked from this one before it starts threads, and forks a worker whenever the runner
asks for one. A process with threads cannot be forked safely; its spare is a new interpreter, which imports once for all
workers.

Read from apache_beam 2.65 (`runners/portability/fn_api_runner/worker_handlers.py`, `local_job_service.py`,
`runners/worker/sdk_worker_main.py`): the handler of a worker has the addresses that the worker's environment variables
name; the thread that waits for a worker's process raises when that dies, which nobody sees, and the requests that the
worker has not answered are waited for without a deadline. docs/adr/2026-11-28-ports-of-private-library-code.md applies.
"""

import gc
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, text_format

from adapters.forkable import is_forkable
from core.beam.settings import Runner

READ_FROM = "2.65"
"""The version of apache_beam that this was read from."""
DEAD = "a worker process of Beam died"
_PROJECT = ("adapters", "artifacts", "components", "problems", "training")
"""Packages of the project whose modules a new spare process imports."""
_NEW_OBJECTS = 50_000
"""New objects after which the garbage collector comes, instead of 700; workers, which are forks, have this too."""
_STARTED = b"f"
_current: "Spare | None" = None


class Spare:
    """A process that forks workers; it ends with this one, or when it is closed."""

    def __init__(self) -> None:
        """Fork it, or start it as a new interpreter where this process has threads."""
        self._control, theirs = socket.socketpair()
        with theirs:
            self._wait = _fork(self._control, theirs) if is_forkable() else _start(theirs)

    def worker(self, environment: Mapping[str, str]) -> socket.socket:
        """Fork a worker with more environment variables; reading the socket ends when the worker has."""
        mine, its = socket.socketpair()
        with its:
            socket.send_fds(self._control, [_STARTED], [its.fileno()])
        mine.sendall(json.dumps(dict(environment)).encode() + b"\n")
        return mine

    def close(self) -> None:
        """End the process; its workers have ended with their pipelines."""
        self._control.close()
        self._wait()


def _fork(ours: socket.socket, theirs: socket.socket) -> Callable[[], object]:
    """Fork a spare process; return what waits for its end."""
    if pid := os.fork():
        return partial(os.waitpid, pid, 0)
    try:
        ours.close()
        _serve(theirs)
    finally:
        os._exit(1)


def _start(theirs: socket.socket) -> Callable[[], object]:
    """Start a spare process that imports what this one has imported of the project; return what waits for its end."""
    modules = sorted(name for name in sys.modules if name.partition(".")[0] in _PROJECT)
    command = [sys.executable, "-m", __name__, str(theirs.fileno()), *modules]
    return subprocess.Popen(command, pass_fds=[theirs.fileno()]).wait  # noqa: S603 - ourselves


@contextmanager
def forked_workers(runner: Runner) -> Iterator[None]:
    """Within the block, workers of a runner of this machine are forks; a pipeline whose worker dies fails with `DEAD`.

    A step that loads models, or runs several pipelines, enters it before that, with all that its workers need imported;
    a block inside of another one has the same parent of workers.
    """
    global _current  # noqa: PLW0603 - one a process: it is forked before there are threads
    if _current is not None or not runner.starts_workers:
        yield
        return
    with _left_uncollected():
        _current = Spare()
        start = SubprocessSdkWorkerHandler.start_worker
        SubprocessSdkWorkerHandler.start_worker = _start_forked
        try:
            yield
        finally:
            SubprocessSdkWorkerHandler.start_worker = start
            _current.close()
            _current = None


@contextmanager
def _left_uncollected() -> Iterator[None]:
    """Within the block, the garbage collector leaves what there is now alone, and comes seldom.

    A pipeline is built of so many objects that it would walk over all that was imported, 0.5 s of CPU, and a fork would
    copy what it touches; graphs that are traced or loaded are as many, and nearly all of them are kept. A task of the
    runner has frozen what it has itself.
    """
    before, is_frozen = gc.get_threshold(), gc.get_freeze_count()
    if not is_frozen:
        gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not is_frozen:
            gc.unfreeze()


def _start_forked(handler: Any) -> None:
    """Do what the handler of a worker does to start it, with a fork."""
    assert _current is not None
    ended = _current.worker(_environment(handler))

    def watch() -> None:
        with ended:
            ended.recv(1)
        if handler.control_conn._futures_by_id:
            handler.control_conn.abort(RuntimeError(f"{DEAD} (worker {handler.worker_id})"))

    handler.worker_thread = threading.Thread(target=watch, name="beam-watch-worker", daemon=True)
    handler.worker_thread.start()


def _environment(handler: Any) -> dict[str, str]:
    options = json_format.MessageToDict(handler.provision_info.provision_info.pipeline_options)
    return {
        "WORKER_ID": handler.worker_id,
        "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(handler.control_api_service_descriptor()),
        "PIPELINE_OPTIONS": json.dumps({"beam:option:default_sdk_harness_log_level:v1": "WARNING"} | options),
    }


def _serve(control: socket.socket) -> NoReturn:
    """Fork a worker for each request, until the process that asks has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers
    logging.getLogger().handlers.clear()  # warnings of a worker go to stderr
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not request:
            os._exit(0)
        if not os.fork():
            control.close()
            _work(socket.socket(fileno=descriptors[0]))
        os.close(descriptors[0])


def _work(parent: socket.socket) -> NoReturn:
    """Run Beam's worker until the runner ends it, or has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with parent.makefile("rb") as stream:
        os.environ.update(json.loads(stream.readline()))

    def watch() -> None:
        parent.recv(1)
        os._exit(1)

    threading.Thread(target=watch, name="watch-runner", daemon=True).start()
    code = 1
    try:
        sdk_worker_main.main([])
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # without what the process that was forked does at its end


def main(descriptor: int, modules: list[str]) -> NoReturn:
    """Import modules, then fork workers: the spare process of one that cannot be forked."""
    import importlib  # noqa: PLC0415

    for name in modules:
        importlib.import_module(name)
    _serve(socket.socket(fileno=descriptor))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
