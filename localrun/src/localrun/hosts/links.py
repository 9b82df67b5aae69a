"""Connections to a warm process: to one of a run's own, or to one that outlives runs."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

from localrun.environments.environment import Environment
from localrun.errors import WorkerError
from localrun.hosts import lasting
from localrun.hosts.lasting import Lasting


class Link(Protocol):
    """A connection to a warm process."""

    channel: socket.socket
    answers_at_once: bool
    """Whether it has imported everything already."""
    is_shared: bool
    """Whether other runs use the process, too."""

    def kill(self) -> None:
        """End the process and all tasks at once, because it does not answer."""

    def end(self, seconds: float) -> str:
        """The connection is closed: return how the process ended; one of a run's own is killed after some seconds."""


class Own:
    """A process of our own, which dies with the thread that starts it."""

    answers_at_once = False
    is_shared = False

    def __init__(self, environment: Environment, preload: tuple[str, ...]) -> None:
        """Start it; WorkerError when that is not possible."""
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {
            "channel": theirs.fileno(),
            "parent": os.getpid(),
            "cwd": str(Path(environment.cwd).absolute()),
            "preload": preload,
            "early": dict(environment.early),
            "outlives": None,
        }
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the environment's own interpreter
                [str(environment.python), str(lasting.WORKER), json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=environment.process_variables(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            self._output.close()
            self.channel.close()
            raise WorkerError(f"{environment.python}: cannot be started: {error.strerror}") from error
        finally:
            theirs.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self, seconds: float) -> str:
        """Wait for its end, and kill it when it takes too long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=seconds)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        with self._output:
            self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - 4000))
            return _how_it_ended(self._process.returncode, self._output.read().decode(errors="replace"))


class Shared:
    """A process that other runs have used, or will use."""

    is_shared = True

    def __init__(self, kept: Lasting, environment: Environment, preload: tuple[str, ...]) -> None:
        """Find or start it; OSError or WorkerError when that is not possible."""
        self._kept = kept
        found = lasting.connect(kept, environment, preload)
        self.channel, self._name, self.answers_at_once = found.channel, found.name, found.is_ready

    def end(self, seconds: float) -> str:  # noqa: ARG002 - a process of others needs no waiting for
        """Return what it printed last."""
        said = lasting.last_words(self._kept, self._name)
        return "the warm process, which outlives runs, is gone" + (f":\n{said}" if said else "")

    def kill(self) -> None:
        """End it at once, for all runs: the next one starts another."""
        lasting.kill(self._kept, self._name)
        lasting.abandon(self._kept, self._name)


def _how_it_ended(code: int, output: str) -> str:
    how = signal_name(-code) if code < 0 else f"exit code {code}"
    tail = output.strip()
    return f"the warm process ended with {how}" + (f":\n{tail}" if tail else "")


def signal_name(number: int) -> str:
    """Name a signal with what usually sends it."""
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    crash = " (a crash in native code)"
    hints = {
        "SIGKILL": " (killed from outside; often by the kernel, out of memory)",
        "SIGSEGV": crash,
        "SIGABRT": crash,
        "SIGBUS": crash,
    }
    return name + hints.get(name, "")
