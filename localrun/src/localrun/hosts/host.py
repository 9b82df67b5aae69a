"""The runner's side of one warm process: what it is asked to do, what it reports, and whether it still answers."""

import contextlib
import json
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from localrun.environments.environment import Environment
from localrun.errors import WorkerError
from localrun.hosts.lasting import Lasting
from localrun.hosts.links import Link, Own, Shared

Message = dict[str, Any]
Deliver = Callable[[Message], None]
_QUIET = 10.0
"""Seconds without a message after which a warm process is asked whether it lives."""
_SILENT = 60.0
"""Seconds without an answer after which it counts as stuck."""
_TOLD = 60_000
"""Bytes that a process may be told of a task that may come: a message is read at once."""
_TRIES = 3
"""How often a process that outlives runs is looked for before the run starts one of its own."""


class Host:
    """One warm process; its messages are delivered from a thread of its own."""

    def __init__(self, environment: Environment, preload: tuple[str, ...], lasting: Lasting | None = None) -> None:
        self.environment = environment
        self.preload = preload
        self.lasting = lasting
        """Where a process is found that outlives this run; None: it is one of our own."""
        self.seconds: float | None = None
        """How long the imports took; None until they are done."""
        self.pid = 0
        """The process; 0 until the imports are done."""
        self.error = ""
        """Why it cannot serve; empty while it can."""
        self._lock = threading.Lock()
        self._watchers: list[Deliver] = []
        self._waiting: dict[str, Deliver] = {}
        self._begun: dict[str, int] = {}
        """Tasks that run, with their process."""
        self._stamps: dict[str, tuple[int, int]] = {}
        self._outbox: list[bytes] | None = []
        """What will be sent when the process takes tasks; None when it is sent at once."""
        self._early: set[str] = set()
        """Functions of which a task can start during the imports."""
        self._channel: socket.socket | None = None
        self._closing = False
        self._changes: queue.SimpleQueue[str] = queue.SimpleQueue()
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

    def can_start(self, function: str) -> bool:
        """Whether a task of a function would be started at once."""
        return self.is_ready or (function in self._early and not self.error)

    def expect(self, function: str) -> None:
        """A task of a function is going to be submitted: during the imports, the next one waits for their end."""
        self._early.discard(function)

    def foresee(self, function: str, module: str, told: Mapping[str, Any]) -> None:
        """A task of a function may come next: have its process import a module meanwhile.

        It is told what is known of the task, where that is no more than a message may be.
        """
        fits = len(json.dumps(told)) <= _TOLD
        with contextlib.suppress(OSError):
            self._send(function=function, module=module, told=told if fits else {})

    def submit(self, identity: str, launch: Path, deliver: Deliver, function: str = "") -> None:
        """Have a task of a function forked from a launch file; `deliver` gets its end, also when the host dies.

        Raises WorkerError when the host is dead already.
        """
        with self._lock:
            if self.error:
                raise WorkerError(self.error)
            self._waiting[identity] = deliver
        try:
            self._send(id=identity, launch=str(launch), function=function)
        except OSError as error:
            with self._lock:
                if self._waiting.pop(identity, None) is None:  # its end has been delivered
                    return
            self.error = self.error or f"the warm process is gone: {error.strerror}"
            raise WorkerError(self.error) from error

    def cancel(self, identity: str, *, kill: bool = False) -> None:
        """End a task and its descendants: SIGTERM, then SIGKILL after the launch file's grace, at once with `kill`."""
        with contextlib.suppress(OSError):
            self._send(cancel=identity, kill=kill)

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
        """Whether a file of the project that the host imported has changed since; of one that stays, any file."""
        if self.error or any(_stamp(path) != stamp for path, stamp in self._stamps.items()):
            return True
        return self.lasting is not None and self.is_ready and self._has_changes()

    def _has_changes(self) -> bool:
        """Ask a process that may be older than this one whether a file has changed since its imports."""
        with contextlib.suppress(OSError, queue.Empty):
            self._send(check=True)
            return bool(self._changes.get(timeout=_SILENT))
        return True

    def close(self) -> None:
        """End all tasks, and the process if it is our own."""
        with self._lock:
            self._closing = True
            if self._channel is not None:
                with contextlib.suppress(OSError):
                    self._channel.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=30)
        if self._channel is not None:
            self._channel.close()

    def _state(self) -> Message:
        return {"event": "broken", "error": self.error} if self.error else {"event": "ready", "seconds": self.seconds}

    def _send(self, **message: Any) -> None:
        """Send a message, as soon as the process is ready; messages arrive in their order."""
        data = json.dumps(message).encode()
        with self._lock:
            if self._outbox is not None:
                self._outbox.append(data)
                return
            channel = self._channel
        assert channel is not None
        channel.send(data)

    def _serve(self) -> None:
        reason = ""
        try:
            for link in self._links():
                reason = self._serve_over(link)
                if self.error or self._outbox is None or self._closing or not link.is_shared:
                    break
                link.channel.close()
        except WorkerError as error:
            reason = str(error)
        self._lost(reason)

    def _serve_over(self, link: Link) -> str:
        """Read from a connection until its end, and return why it ended."""
        with self._lock:
            self._channel = link.channel
            if self._closing:
                link.channel.shutdown(socket.SHUT_RDWR)
        self._read(link)
        ended = link.end(0.2 if self.seconds is None or self.error else 20)
        return self.error or ended

    def _links(self) -> Iterator[Link]:
        """Yield connections to try, the next where one was of no use; the last is to a process of our own.

        A process that outlives runs may leave while we connect, or find that it is stale.
        """
        if self.lasting is not None:
            with contextlib.suppress(OSError, WorkerError):
                for _ in range(_TRIES):
                    yield Shared(self.lasting, self.environment, self.preload)
        yield Own(self.environment, self.preload)

    def _read(self, link: Link) -> None:
        asked = time.monotonic() if link.answers_at_once else None
        link.channel.settimeout(_QUIET)
        while not self.error:
            try:
                data = link.channel.recv(262144)
            except TimeoutError:
                if self._is_stuck(link, asked):
                    return
                asked = asked or (None if self.seconds is None else time.monotonic())
                continue
            except OSError:
                return
            if not data:
                return
            asked = None
            self._dispatch(json.loads(data))

    def _is_stuck(self, link: Link, asked: float | None) -> bool:
        """No message for a while: whether it was asked too long ago; ask otherwise. Imports take what they need."""
        silent = 0.0 if asked is None else time.monotonic() - asked
        if silent > _SILENT:
            link.kill()
            if self.seconds is not None:
                self.error = f"the warm process has not answered for {silent:.0f} s: it is stuck"
            return True
        if self.seconds is not None:
            with contextlib.suppress(OSError):
                link.channel.send(json.dumps({"alive": True}).encode())
        return False

    def _dispatch(self, message: Message) -> None:
        event = message["event"]
        if event in {"alive", "stale"}:  # a stale process closes the connection, and another is looked for
            return
        if event == "checked":
            self._changes.put(message["change"])
            return
        if event in {"early", "ready", "broken"}:
            if event == "early":
                self._early.update(message["functions"])
                self._open()
            elif event == "ready":
                self._stamps = {path: _stamp(path) for path in message["files"]}
                self.pid = message["pid"]
                self._open(message["seconds"])
            else:
                self.error = message["error"]
            _deliver(list(self._watchers), message if event == "early" else self._state())
            return
        with self._lock:
            if event == "started":
                self._begun[message["id"]] = message["pid"]
                return
            self._begun.pop(message["id"], None)
            deliver = self._waiting.pop(message["id"], None)
        if deliver is not None:
            deliver(message)

    def _open(self, seconds: float | None = None) -> None:
        """The process takes tasks, all of them where the imports are done: send what waits for it."""
        assert self._channel is not None
        while True:
            with self._lock:
                waiting, self._outbox = self._outbox, []
                if not waiting:
                    self._outbox = None
                    self.seconds = seconds
                    return
            for data in waiting:
                with contextlib.suppress(OSError):  # the end of the process is told by the next read
                    self._channel.send(data)

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
