"""Serves one exported SavedModel in its own process, so that a hang or crash of the model does not stop the caller."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from adapters.quiet import quiet_libraries
from serving.processes import no_network, process
from serving.tfserving import binary as tensorflow_serving
from serving.tfserving.binary import Engine

NAME = "candidate"
_TAIL_BYTES = 4000


class CandidateServer:
    """A server process for one SavedModel on a free port of this machine; a context manager that always ends it."""

    def __init__(self, saved_model: Path, log: Path, engine: Engine = "mlops") -> None:
        self._engine = engine
        self._saved_model = saved_model
        self._log = log
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._pid = 0
        self._started = time.monotonic()
        self._status: int | None = None

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        self._started = time.monotonic()
        if self._engine == "tensorflow_serving":
            self._pid = self._spawn_tensorflow_serving()
            return self
        # A fork starts in milliseconds, with the imports that this process has made already.
        self._pid = process.fork(self._serve, signal.SIGKILL) if _may_fork() else self._spawn()
        # The child holds the socket now; when it dies a connection must be refused and not wait here.
        self._listener.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ending() is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def ending(self) -> str | None:
        """Return how the process ended; None while it runs."""
        if self._status is None:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            if not ended:
                return None
            self._status = status
        return process.ending(self._status)

    def seconds(self) -> float:
        """Return the time since the process was started, in seconds."""
        return time.monotonic() - self._started

    def log_tail(self) -> str:
        """Return the last lines that the process wrote."""
        with self._log.open("rb") as stream:
            stream.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            return stream.read().decode("utf-8", "replace").strip()

    def _serve(self) -> None:
        self._redirect()
        serve_folder(self._saved_model, self._listener)

    def _redirect(self) -> None:
        with self._log.open("ab", buffering=0) as stream:
            for number in (1, 2):
                os.dup2(stream.fileno(), number)

    def _spawn(self) -> int:
        """Start a fresh interpreter, where a fork would copy threads' locks or TensorFlow's."""
        handle = self._listener.fileno()
        return self._start(
            [sys.executable, "-m", "serving.candidate", str(self._saved_model), str(handle), str(os.getpid())], handle
        )

    def _spawn_tensorflow_serving(self) -> int:
        """Start TensorFlow Serving on the free port found above, over a folder that holds the model as version 1."""
        versions = self._log.with_name(NAME)
        versions.mkdir()
        (versions / "1").symlink_to(self._saved_model.absolute())
        with socket.create_server(("127.0.0.1", 0)) as other:
            command = tensorflow_serving.command_line(
                self.port, other.getsockname()[1], f"--model_name={NAME}", f"--model_base_path={versions.absolute()}"
            )
        self._listener.close()
        return self._start(command)

    def _start(self, command: list[str], *handles: int) -> int:
        with self._log.open("ab") as stream:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, pass_fds=handles)  # noqa: S603 - our own command line
        # This class waits for the process by its id; the handle must not complain about it.
        child.returncode = 0
        return child.pid


def serve_folder(saved_model: Path, listener: socket.socket) -> None:
    """Serve a SavedModel as version 1 of the model `candidate` until the process is ended."""
    from serving.http.server import Options, serve  # noqa: PLC0415
    from serving.versions.manager import Watch  # noqa: PLC0415 - the parent needs none of it
    from serving.versions.shelf import SavedModelShelf  # noqa: PLC0415

    quiet_libraries()
    with process.without_keras():
        from serving.models import savedmodel  # noqa: F401, PLC0415 - as above
    process.log_to(sys.stderr, as_json=False)
    no_network.deny_network()
    serve(SavedModelShelf(NAME, saved_model), listener, Options(watch=Watch(seconds=3600.0), drain_seconds=0.0))


def _may_fork() -> bool:
    """Whether a fork is safe: no other thread, and TensorFlow not imported or not used yet."""
    if threading.active_count() > 1:
        return False
    tensorflow = sys.modules.get("tensorflow.python.eager.context")
    used = tensorflow is not None and tensorflow._context is not None and tensorflow._context._initialized
    return not used


def _main() -> None:
    saved_model, handle, parent = sys.argv[1:]
    process.follow_parent(int(parent), signal.SIGKILL)
    serve_folder(Path(saved_model), socket.socket(fileno=int(handle)))


if __name__ == "__main__":
    _main()
