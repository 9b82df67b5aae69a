"""Deadlines and caps of a connection; uvicorn leaves them to a proxy, and this server may run without one."""

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from serving.bodies import responses
from serving.http.access_log import Access, AccessLog
from serving.http.connection.upgrade import UpgradeBlindProtocol
from serving.limits import Limits
from serving.metrics import Metrics

if TYPE_CHECKING:
    from asyncio import TimerHandle

_LOG = logging.getLogger("serving")
_CHUNK_OVERHEAD: Final = 16
"""Most bytes of chunk lines for one byte of a body: chunks of one byte need five."""
_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class BoundedProtocol(UpgradeBlindProtocol):
    """HTTP/1.1 with a deadline or a cap on everything that a client may send or read."""

    limits = Limits()
    metrics: Metrics
    accesses: AccessLog | None = None
    _head_timer: "TimerHandle | None" = None
    _linger_timer: "TimerHandle | None" = None
    _reader_timer: "TimerHandle | None" = None
    _active_at = 0.0
    """When data arrived last, as the event loop counts."""
    _written_at = 0.0
    """When an answer was last given to a client that had not read all of it; read where there is a reader's timer."""
    _in_head = True
    _received_bytes = 0
    """Bytes of the current request; those in the packet in which the request before it ended are not counted."""
    _body_bytes = 0
    """Those of them that are its body; the others are its head, chunk lines and trailers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Accept a connection, or answer 503 when too many are open."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "UNAVAILABLE", "too many connections; try again later")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the connection's deadlines."""
        self._stop_timer()
        for timer in (self._linger_timer, self._reader_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read data within the caps; also of the next request, while this one is answered."""
        self._active_at = self.loop.time()
        self._received_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._received_bytes and self._head_timer is None and not self._is_busy():
            self._await_head()
        if self._received_bytes - self._body_bytes > self.limits.header_bytes + _CHUNK_OVERHEAD * self._body_bytes:
            self._refuse_head_or_framing()
        if self._linger_timer is not None and self._received_bytes > self.limits.linger_bytes:
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers, which come after the body, are ignored: nobody may set a header with them."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Cancel the head's deadline and begin the request."""
        self._begin_body()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = _Lingering(self, self.cycle)  # type: ignore[assignment] # what a cycle uses of a transport

    def on_body(self, body: bytes) -> None:
        """Count and hand on a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the head of the next request."""
        super().on_message_complete()
        if self._body_follows:
            return
        self._end_message()
        if self._linger_timer is not None:
            self.transport.close()

    def linger(self, cycle: RequestResponseCycle) -> None:
        """Close the connection after an answer; if the request's body is still coming, read it for a while first.

        Closing earlier resets the connection, and a client that is still sending would never read the answer.
        """
        if cycle.more_body:
            self._linger_timer = self.loop.call_later(self.limits.linger_seconds, self.transport.close)
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Start the deadline for the client to read the answer."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size() > 0:
            self._await_reader()

    def note_answer(self) -> None:
        """Do the same for an answer that no cycle gave."""
        self.server_state.total_requests += 1
        if self.transport.get_write_buffer_size() > 0:
            self._await_reader()
        if self.timeout_keep_alive_task is None:
            self._await_request(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection. The timer is not set anew by each request, so it may come while one is answered."""
        self.timeout_keep_alive_task = None
        left = self._active_at + self.timeout_keep_alive - self.loop.time()
        if self._is_busy():
            return  # uvicorn sets it anew with the answer
        if left > 0:
            self._await_request(left)
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        """Start that deadline for an answer that waits for the client, too."""
        super().pause_writing()
        self._await_reader()

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP with an error in TensorFlow Serving's form, with the parser's reason."""
        error = sys.exception()
        self._refuse(
            400, "INVALID_ARGUMENT", f"wanted an HTTP request: {(error and error.__context__) or error or msg}"
        )

    def _refuse_head_or_framing(self) -> None:
        most = self.limits.header_bytes
        if self._in_head:
            self._refuse(431, "TOO_LARGE", f"the request's head is longer than {most} bytes")
        else:
            self._refuse(400, "TOO_LARGE", f"the chunk lines and trailers are more than {most} bytes beyond the body's")

    def _begin_body(self) -> None:
        self._in_head = False
        self._stop_timer()

    def _end_message(self) -> None:
        self._in_head = True
        self._received_bytes = self._body_bytes = 0

    def _is_busy(self) -> bool:
        """Whether a request is being answered, or what follows an answer is thrown away or not read at all."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        return is_answering or self._linger_timer is not None or self.transport.is_closing()

    def _await_request(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _await_head(self) -> None:
        self._stop_timer()
        self._head_timer = self.loop.call_later(self.limits.header_seconds, self._head_too_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_late(self) -> None:
        seconds = self.limits.header_seconds
        self._refuse(408, "DEADLINE_EXCEEDED", f"the request's head did not arrive within {seconds:g} s")

    def _await_reader(self) -> None:
        """Note an answer; one timer does for all, as most are read at once."""
        self._written_at = self.loop.time()
        if self._reader_timer is None:
            self._reader_timer = self.loop.call_later(self.limits.write_seconds, self._abort_if_stuck)

    def _abort_if_stuck(self) -> None:
        self._reader_timer = None
        if self.transport is None or self.transport.get_write_buffer_size() == 0:
            return
        left = self._written_at + self.limits.write_seconds - self.loop.time()
        if left > 0:
            self._reader_timer = self.loop.call_later(left, self._abort_if_stuck)
        else:
            self.metrics.refused_connections.labels("slow reader").inc()
            self.transport.abort()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer without the application, if an answer can still be written, and close the connection."""
        if self.transport.is_closing():
            return
        client = self.client[0] if self.client else ""
        self.metrics.refused_connections.labels(str(status)).inc()
        _LOG.warning("%s: answered %d: %s", client, status, message)
        if self.accesses is not None:
            self.accesses.write(Access(time.time(), client, "", "", status, 0, 0.0, "", ""))
        body = responses.error_body(message, code)
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self._stop_timer()
        if self.cycle is None or not self.cycle.response_started or (self.cycle.response_complete and self._in_head):
            is_head = self._in_head and self.parser.get_method() == b"HEAD"
            self.transport.write(head % (status, _PHRASES[status], len(body)) + (b"" if is_head else body))
        self.transport.close()


class _Lingering:
    """The transport of one answer; it closes the connection only when the client can read the answer."""

    def __init__(self, protocol: BoundedProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        """Close the connection, at once or after the rest of the body."""
        self._protocol.linger(self._cycle)
