"""One JSON line per request, written by a thread of its own so that no request waits for a disk or a pipe."""

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.errors import UsageError

if TYPE_CHECKING:
    # The command line imports this file before the workers' shared metrics have a folder, which is read at import.
    from serving.metrics import Metrics

_WAITING = 10_000
"""Lines that wait to be written at most; more are dropped and counted."""
_BATCH = 200


class Access(NamedTuple):
    """What is recorded of a request; method and path are "" when it was refused before they were read."""

    at: float
    """Seconds since 1970, when the head was read."""
    client: str
    method: str
    path: str
    """Without the query; at most 200 characters."""
    status: int
    """0 when the client left before the answer."""
    size: int
    """Bytes of the answer's body."""
    seconds: float
    version: str
    request_id: str

    def line(self) -> str:
        """Write it as JSON; nothing in it can end the line or be taken for another field."""
        return json.dumps(
            {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.at)) + f".{int(self.at % 1 * 1000):03d}Z",
                "client": self.client,
                "method": self.method,
                "path": self.path[:200],
                "status": self.status,
                "bytes": self.size,
                "ms": round(self.seconds * 1000, 3),
                "version": self.version,
                "request_id": self.request_id,
            }
        )


def check_writable(target: str) -> None:
    """Create the log's file if it does not exist; UsageError when that fails."""
    if target in {"", "-"}:
        return
    try:
        os.close(os.open(target, _FLAGS, 0o640))
    except OSError as error:
        raise UsageError(f"--access-log {target}: wanted a file that can be written, got {error.strerror}") from None


class AccessLog:
    """Appends to a file, which may be moved away at any time, or to standard output (`-`)."""

    def __init__(self, target: str, metrics: "Metrics") -> None:
        self._target = target
        self._metrics = metrics
        self._queue: queue.Queue[Access | None] = queue.Queue(_WAITING)
        self._stdout = sys.stdout.fileno() if target == "-" else None
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def write(self, access: Access) -> None:
        """Hand a line to the thread; it is dropped, and counted, when too many wait."""
        try:
            self._queue.put_nowait(access)
        except queue.Full:
            self._metrics.access_log_dropped.inc()

    def close(self) -> None:
        """Write what waits, for two seconds at most."""
        try:
            self._queue.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(1)

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            lines = [access.line() for access in batch if access is not None]
            try:
                self._append("".join(f"{line}\n" for line in lines).encode())
            except OSError:
                self._metrics.access_log_dropped.inc(len(lines))
            if None in batch:
                return

    def _append(self, text: bytes) -> None:
        if self._stdout is not None:
            _write_all(self._stdout, text)
            return
        # Opened for each batch: another program may have moved the file away, and wants the next line in a new one.
        opened = os.open(Path(self._target), _FLAGS, 0o640)
        try:
            _write_all(opened, text)
        finally:
            os.close(opened)


_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def _write_all(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
