"""The runner's side of one warm process: what it is asked to do, what it reports, and whether it still answers."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localrun.environments.environment import Environment
from localrun.errors import WorkerError

Message = dict[str, Any]
Deliver = Callable[[Message], None]
_WORKER = Path(__file__).with_name("worker.py")
_QUIET = 10.0
"""Seconds without a message after which a warm process is asked whether it lives."""
_SILENT = 60.0
"""Seconds without an answer after which it counts as stuck."""


class Host:
    """One warm process; its messages are delivered from a thread of its own."""

    def __init__(self, environment: Environment, preload: tuple[str, ...]) -> None:
        self.environment = environment
        self.preload = preload
        self.seconds: float | None = None
        """How long the imports took; None until they are done."""
        self.error = ""
        """Why it cannot serve; empty while it can."""
        self._lock = threading.Lock()
        self._watchers: list[Deliver] = []
        self._waiting: dict[str, Deliver] = {}
        self._begun: dict[str, int] = {}
        """Tasks that run, with their process."""
        self._stamps: dict[str, tuple[int, int]] = {}
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Started by the thread that reads from it: the kernel ties a process's life to the thread that started it.
        self._thread = threading.Thread(target=self._serve, daemon=True, name="localrun-host")
        self._thread.start()

    def watch(self, deliver: Deliver) -> None:
        """Have every change of this host delivered; one that already happened is delivered at once."""
        with self._lock:
            self._watchers.append(deliver)
            known = self.error or self.seconds is not None
        if known:
            deliver(self._state())

    def unwatch(self, deliver: Deliver) -> None:
        """Stop delivering changes."""
        with self._lock, contextlib.suppress(ValueError):
            self._watchers.remove(deliver)

    @property
    def is_ready(self) -> bool:
        """Whether a task would be forked at once."""
        return self.seconds is not None and not self.error

    def submit(self, identity: str, launch: Path, deliver: Deliver) -> None:
        """Have a task forked from a launch file; `deliver` gets its end, also when the host dies.

        Raises WorkerError when the host is dead already.
        """
        with self._lock:
            self._waiting[identity] = deliver
        try:
            self._ours.send(json.dumps({"id": identity, "launch": str(launch)}).encode())
        except OSError as error:
            with self._lock:
                self._waiting.pop(identity, None)
            self.error = self.error or f"the warm process is gone: {error.strerror}"
            raise WorkerError(self.error) from error

    def cancel(self, identity: str, *, kill: bool = False) -> None:
        """End a task and its descendants: SIGTERM, then SIGKILL after the launch file's grace, at once with `kill`."""
        with contextlib.suppress(OSError):
            self._ours.send(json.dumps({"cancel": identity, "kill": kill}).encode())

    def memory(self, identity: str) -> int:
        """Bytes that a task's process uses now; 0 when it has not started or has ended."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(
                Path(f"/proc/{self._begun.get(identity, '')}/statm").read_text(encoding="ascii").split()[1]
            ) * os.sysconf("SC_PAGE_SIZE")
        return 0

    @property
    def is_busy(self) -> bool:
        """Whether a task is under way."""
        return bool(self._waiting)

    def is_stale(self) -> bool:
        """Whether a file of the project that the host imported has changed since."""
        return bool(self.error) or any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def close(self) -> None:
        """End the process and all its tasks."""
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=30)
        self._ours.close()

    def _state(self) -> Message:
        return {"event": "broken", "error": self.error} if self.error else {"event": "ready", "seconds": self.seconds}

    def _serve(self) -> None:
        with tempfile.TemporaryFile() as output:
            try:
                process = self._start(output.fileno())
            except OSError as error:
                self._lost(f"{self.environment.python}: cannot be started: {error.strerror}")
                return
            finally:
                self._theirs.close()
            self._read()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2 if self.seconds is None or self.error else 20)
            if process.poll() is None:
                process.kill()
                process.wait()
            output.seek(max(0, output.seek(0, os.SEEK_END) - 4000))
            self._lost(self.error or _how_it_ended(process.returncode, output.read().decode(errors="replace")))

    def _start(self, output: int) -> subprocess.Popen[bytes]:
        settings = {
            "channel": self._theirs.fileno(),
            "parent": os.getpid(),
            "cwd": str(Path(self.environment.cwd).absolute()),
            "preload": self.preload,
        }
        return subprocess.Popen(  # noqa: S603 - the environment's own interpreter
            [str(self.environment.python), str(_WORKER), json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=self.environment.process_variables(),
            pass_fds=(self._theirs.fileno(),),
            start_new_session=True,
        )

    def _read(self) -> None:
        asked: float | None = None
        self._ours.settimeout(_QUIET)
        while not self.error:
            try:
                data = self._ours.recv(262144)
                asked = None
            except TimeoutError:
                asked = self._ask(asked)
                continue
            except OSError:
                return
            if not data:
                return
            self._dispatch(json.loads(data))

    def _ask(self, asked: float | None) -> float | None:
        """No message for a while: ask whether it lives; return when it was first asked."""
        if self.seconds is None:  # imports may take as long as they like
            return None
        if asked is not None and time.monotonic() - asked > _SILENT:
            self.error = f"the warm process has not answered for {time.monotonic() - asked:.0f} s: it is stuck"
        with contextlib.suppress(OSError):
            self._ours.send(json.dumps({"alive": True}).encode())
        return asked or time.monotonic()

    def _dispatch(self, message: Message) -> None:
        event = message["event"]
        if event == "alive":
            return
        if event in {"ready", "broken"}:
            if event == "ready":
                self._stamps = {path: _stamp(path) for path in message["files"]}
                self.seconds = message["seconds"]
            else:
                self.error = message["error"]
            _deliver(list(self._watchers), self._state())
            return
        with self._lock:
            if event == "started":
                self._begun[message["id"]] = message["pid"]
                return
            self._begun.pop(message["id"], None)
            deliver = self._waiting.pop(message["id"], None)
        if deliver is not None:
            deliver(message)

    def _lost(self, reason: str) -> None:
        """Deliver the end to everything that still waits for an answer."""
        self.error = reason
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            watchers = list(self._watchers)
        for identity, deliver in waiting.items():
            deliver({"event": "ended", "id": identity, "error": reason, "begun": identity in self._begun})
        _deliver(watchers, self._state())


def _deliver(watchers: list[Deliver], message: Message) -> None:
    for deliver in watchers:
        deliver(message)


def _stamp(path: str) -> tuple[int, int]:
    try:
        about = Path(path).stat()
    except OSError:
        return (0, 0)
    return (about.st_mtime_ns, about.st_size)


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
