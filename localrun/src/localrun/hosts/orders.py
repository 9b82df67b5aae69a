"""What a process that was forked ahead of time is told: what may come, and then the one order that it waits for.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import contextlib
import os
import socket
from typing import Any, NamedTuple


class Coming(NamedTuple):
    """What a process prepares for while it waits."""

    module: str
    """Has the code of the task, and perhaps a function `prepare(parameters, artifacts)`."""
    told: dict[str, Any]
    """Variables of the task's process, and its parameters and artifacts as far as they are known; empty for nothing."""


class Orders:
    """A connection over which one process gets one order."""

    def __init__(self) -> None:
        self.reading, self.writing = socket.socketpair()

    def read(self) -> tuple[str, socket.socket | None]:
        """Wait for the order and what comes with it; empty when the process that would give it is gone."""
        self.leave_to_giver()
        order = b""
        channel: socket.socket | None = None
        with self.reading:
            while True:
                data, handles, _, _ = socket.recv_fds(self.reading, 65536, 1)
                for handle in handles:
                    os.set_inheritable(handle, False)
                    channel = socket.socket(fileno=handle)
                if not data:
                    return order.decode(), channel
                order += data

    def leave_to_giver(self) -> None:
        """Have no process but the one that gives the order hold it open: the end of the order is the end of all."""
        self.writing.close()

    def write(self, order: str, channel: socket.socket | None = None) -> None:
        """Give the order, and with it the connection over which to report."""
        with contextlib.suppress(OSError):
            data = order.encode()
            sent = socket.send_fds(self.writing, [data], [channel.fileno()]) if channel else 0
            self.writing.sendall(data[sent:])
        self.close()

    def close(self) -> None:
        """Close without giving an order."""
        self.reading.close()
        self.writing.close()
