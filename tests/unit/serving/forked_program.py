"""Programs of this project that are forked from a process that has imported what a server needs.

A server's start is four seconds of CPU, nearly all of them imports. It forks its own workers after them, so that one
fork more changes nothing for it. `processes/test_cold_start` and tests/e2e start servers as a person does.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

MESSAGE = 1 << 20
READY = b"imported"


@dataclass
class ForkedProgram:
    """What `subprocess.Popen` is for a program that was started anew."""

    pid: int
    stdout: IO[str]
    ended: int
    """A pipe that gets the exit code."""
    returncode: int | None = field(default=None, init=False)

    def poll(self, seconds: float | None = 0) -> int | None:
        """Return the exit code, negative for a signal; None when it still runs after some seconds."""
        if self.returncode is None and select.select([self.ended], [], [], seconds)[0]:
            self.returncode = int(os.read(self.ended, 16) or -signal.SIGKILL)
            os.close(self.ended)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        code = self.poll(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"program {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(argv: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> ForkedProgram:
    """Start `mlops` with some arguments; its standard error goes to `log`."""
    control = _imported()
    (out, stdout), (ended, end) = os.pipe(), os.pipe()
    message = json.dumps({"argv": list(argv), "environment": dict(environment)}).encode()
    socket.send_fds(control, [message], [stdout, log.fileno(), end])
    os.close(stdout)
    os.close(end)
    return ForkedProgram(int(control.recv(16)), os.fdopen(out), ended)


@functools.cache
def _imported() -> socket.socket:
    """Start the process that imports and forks; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    assert ours.recv(len(READY)) == READY
    return ours


def main(control: socket.socket) -> None:
    """Import, then fork a program for each message."""
    from adapters.quiet import quiet_libraries
    from serving.processes.process import without_keras

    quiet_libraries()
    with without_keras():
        import serving.models.savedmodel  # noqa: F401
    import mlops.cli.server.serve  # noqa: F401

    assert "prometheus_client" not in sys.modules, "it reads its environment when it is imported"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.send(READY)
    while True:
        message, handles, _, _ = socket.recv_fds(control, MESSAGE, 3)
        if not message:
            return
        if os.fork() == 0:
            _watch(control, json.loads(message), *handles)
        for handle in handles:
            os.close(handle)


def _watch(control: socket.socket, asked: dict[str, object], stdout: int, stderr: int, end: int) -> None:
    """Start one program and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        control.close()
        os.close(end)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        _run(asked)
    os.close(stdout)
    control.send(str(pid).encode())
    control.close()
    os.write(end, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def _run(asked: dict[str, object]) -> None:
    from mlops.cli.main import main as mlops

    code: object = 1
    try:
        os.environ.clear()
        os.environ.update(asked["environment"])  # type: ignore[call-overload]
        sys.argv = ["mlops", *asked["argv"]]  # type: ignore[misc]
        mlops()
        code = 0
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
