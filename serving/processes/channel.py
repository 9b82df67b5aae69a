"""The connection between the supervisor and one of its workers: small messages, each one JSON object.

A worker says which version of a model it could answer with, that it takes part in changes, that it takes requests, and
what it has loaded. The supervisor says which versions all workers answer with, and whom it retires.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from serving.processes.memory import in_use
from serving.processes.moment import Moment

_LARGEST = 1 << 16
"""Bytes of one message; a model takes at most a hundred of them."""
_PAUSE_SECONDS = 0.0005
_JOIN_SECONDS = 30.0
"""Longest wait for the supervisor's answer; it has little else to do."""


class Together(NamedTuple):
    """What the workers of a server have agreed on."""

    agreed: Mapping[str, int]
    """Model -> the version that every worker answers with."""
    is_served: bool
    """Whether a worker takes requests; a new one then waits until it can answer as the others do."""
    moment: int = 0
    """The number of the change that made it so."""


class SupervisorEnd:
    """The supervisor's end; it never waits for a worker."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        end.setblocking(False)
        # The kernel sends SIGIO to this process when a message is there.
        fcntl.fcntl(end, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)

    def send(self, together: Together) -> bool:
        """Tell the worker what is agreed on; False when it has stopped reading."""
        return self._send(together._asdict())

    def joined(self) -> bool:
        """Say that changes wait for the worker from now on; False when it has stopped reading."""
        return self._send({"joined": True})

    def retire(self) -> bool:
        """Ask the worker to finish its requests and end; False when it has stopped reading."""
        return self._send({"retire": True})

    def received(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                content = self._socket.recv(_LARGEST)
            except OSError:
                return messages
            if not content:
                return messages
            messages.append(json.loads(content))

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _send(self, message: dict[str, Any]) -> bool:
        try:
            self._socket.send(json.dumps(message).encode())
        except BlockingIOError:
            return False
        except OSError:
            return True  # the worker has ended, and is about to be waited for
        return True


class WorkerEnd:
    """The worker's end; its methods may be called from any thread."""

    def __init__(self, end: socket.socket, moment: Moment) -> None:
        self._socket = end
        self._moment = moment
        self._joined = threading.Event()
        self.on_retire: Callable[[], None] = lambda: None

    @property
    def moment(self) -> int:
        """The number of the last change that was made; its report may be still on its way here."""
        return self._moment.number

    def start(self, on_change: Callable[[Together], None]) -> None:
        """Report what is agreed on now, and from then on, in a thread, every change of it."""
        self._handle(self._socket.recv(_LARGEST), on_change)
        threading.Thread(target=self._listen, args=(on_change,), name="supervisor", daemon=True).start()

    def propose(self, name: str, version: int) -> bool:
        """Say that this worker could answer with a version; it does once all workers have said so."""
        self._send({"propose": [name, version]})
        return False

    def join(self) -> None:
        """Take part in changes: once this returns, none is made without this worker, and those before are reported."""
        self._send({"join": True})
        self._joined.wait(_JOIN_SECONDS)

    def ready(self) -> None:
        """Say that this worker takes requests."""
        self._send({"ready": True})

    def settled(self, loads: int) -> None:
        """Say how many versions this worker has loaded, after it has let go of the ones that it no longer needs."""
        self._send({"loads": loads, "memory": in_use()})

    def close(self) -> None:
        """Close it, in a process that is not the worker."""
        self._socket.close()

    def _listen(self, on_change: Callable[[Together], None]) -> None:
        while content := self._socket.recv(_LARGEST):
            self._handle(content, on_change)

    def _handle(self, content: bytes, on_change: Callable[[Together], None]) -> None:
        message = json.loads(content)
        if "agreed" in message:
            while self.moment < message["moment"]:  # not all workers have been sent the change
                time.sleep(_PAUSE_SECONDS)
            on_change(Together(**message))
        if "joined" in message:
            self._joined.set()
        if "retire" in message:
            self.on_retire()

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the supervisor has stopped, and this worker is about to
            self._socket.send(json.dumps(message).encode())


def connect(moment: Moment) -> tuple[SupervisorEnd, WorkerEnd]:
    """Make both ends; a child process keeps the second one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return SupervisorEnd(ours), WorkerEnd(theirs, moment)
