"""Accepts connections in the worker that has the fewest.

Workers share one listening socket, and the kernel wakes all of them: the first to run would accept a whole burst, and
its clients would wait for one CPU while another is idle.
"""

import asyncio
import mmap
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

SLOTS: Final = 256
"""More than there are workers, so that hardly two of them share a slot."""
PATIENCE_SECONDS: Final = 0.005
"""How long a connection waits for a worker with fewer before one with more takes it."""
_PAUSE_SECONDS = 0.1
"""After the system refused to accept, for want of file descriptors for instance."""


class Crowd:
    """How many connections each worker has, in memory that forked processes share; make it before they are forked."""

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * SLOTS)).cast("I")

    def note(self, connections: int) -> None:
        """Say how many this process has."""
        self._counts[os.getpid() % SLOTS] = connections + 1  # 0 is a slot without a worker

    def leave(self, pid: int) -> None:
        """Forget a worker that ended, or the others would wait for it."""
        self._counts[pid % SLOTS] = 0

    def least(self) -> int:
        """Return the fewest connections that a worker has."""
        return min(filter(None, self._counts), default=1) - 1


class Acceptor:
    """The listening end of one worker."""

    def __init__(
        self, listener: socket.socket, crowd: Crowd, connections: Callable[[], int], handshake_seconds: float = 10.0
    ) -> None:
        self._listener = listener
        self._crowd = crowd
        self._connections = connections
        self._handshake_seconds = handshake_seconds
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._make_protocol: Callable[[], asyncio.Protocol] = asyncio.Protocol
        self._ssl: ssl.SSLContext | None = None

    def start(self, make_protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None) -> None:
        """Begin to accept."""
        self._make_protocol, self._ssl = make_protocol, context
        self._listener.setblocking(False)
        self.note()
        self._loop.add_reader(self._listener.fileno(), self._on_ready)

    def note(self) -> int:
        """Tell the other workers how many connections this one has."""
        count = self._connections() + len(self._opening)
        self._crowd.note(count)
        return count

    def close(self) -> None:
        """Stop accepting."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._crowd.leave(os.getpid())

    def _on_ready(self) -> None:
        if self.note() > self._crowd.least():
            self._wait(PATIENCE_SECONDS)
        else:
            self._accept()

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._timer = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener.fileno(), self._on_ready)
        self._accept()

    def _accept(self) -> None:
        try:
            link, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client is gone
        except OSError:
            if self._timer is None:
                self._wait(_PAUSE_SECONDS)
            return
        link.setblocking(False)
        opening: asyncio.Task[object] = self._loop.create_task(self._open(link))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        self.note()

    async def _open(self, link: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                link,
                ssl=self._ssl,
                ssl_handshake_timeout=self._handshake_seconds if self._ssl else None,
            )
        except OSError:
            link.close()  # a handshake that failed, or a client that is gone
