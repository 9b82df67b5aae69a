"""Deadlines and caps of a connection; uvicorn leaves them to a proxy, and this server may run without one."""

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.bodies import responses
from serving.limits import Limits
from serving.metrics import Metrics

if TYPE_CHECKING:
    from asyncio import TimerHandle

_LOG = logging.getLogger("serving")
_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a deadline or a cap on everything that a client may send or read."""

    limits = Limits()
    metrics: Metrics
    _head_timer: "TimerHandle | None" = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Accept a connection, or answer 503 when too many are open."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "UNAVAILABLE", "too many connections; try again later")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the connection's deadline."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data, unless a request's head is too long; also of the next request, while this one is answered."""
        began_in_head = self._in_head
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        super().data_received(data)
        if began_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.header_bytes and not self.transport.is_closing():
                self._refuse(431, "TOO_LARGE", f"the request's head is longer than {self.limits.header_bytes} bytes")

    def on_headers_complete(self) -> None:
        """Cancel the head's deadline and begin the request."""
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the head of the next request."""
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        """Start the deadline for the client to read the answer."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size() > 0:
            self.loop.call_later(self.limits.write_seconds, self._abort_if_stuck)

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP with an error in TensorFlow Serving's form, with the parser's reason."""
        self._refuse(400, "INVALID_ARGUMENT", f"wanted an HTTP request: {sys.exception() or msg}")

    def _await_head(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(self.limits.header_seconds, self._head_too_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_late(self) -> None:
        if not self.transport.is_closing():
            self._refuse(
                408, "DEADLINE_EXCEEDED", f"the request's head did not arrive within {self.limits.header_seconds:g} s"
            )

    def _abort_if_stuck(self) -> None:
        if self.transport is not None and self.transport.get_write_buffer_size() > 0:
            self.metrics.refused_connections.labels("slow reader").inc()
            self.transport.abort()

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.metrics.refused_connections.labels(str(status)).inc()
        _LOG.warning("%s: answered %d: %s", self.client[0] if self.client else "a client", status, message)
        body = responses.error_body(message, code)
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self._stop_timer()
        self.transport.write(head % (status, _PHRASES[status], len(body)) + body)
        self.transport.close()


def bounded(limits: Limits, metrics: Metrics) -> type[BoundedProtocol]:
    """Make the protocol class of one process; uvicorn makes an instance of it for each connection."""
    content: dict[str, Any] = {"limits": limits, "metrics": metrics}
    return type("Bounded", (BoundedProtocol,), content)
