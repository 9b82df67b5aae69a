"""Answers a usual request in the call that brought its last byte; every other one goes the general way."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serving.http.access_log import AccessLog
from serving.http.connection.protocol import BoundedProtocol
from serving.http.direct import DirectEndpoint, Head
from serving.http.replies import RawHeaders, Reply
from serving.limits import Limits
from serving.metrics import Metrics

if TYPE_CHECKING:
    import asyncio

_PATIENCE_SECONDS: Final = 0.05
"""How long the rest of a body is waited for before the request goes the general way, which has a deadline for it."""


class DirectProtocol(BoundedProtocol):
    """HTTP/1.1 that makes a scope and a task only for requests that need them.

    A request is taken for a usual one when its head is read. If its body does not come at once, or the endpoint leaves
    it alone, the general way gets what has come of it, as if it had just arrived.
    """

    endpoint: DirectEndpoint
    _head: Head | None = None
    """The request that is read, while it is a usual one."""
    _body_timer: "asyncio.TimerHandle | None" = None
    _has_answered = False
    """Whether a request of this packet was answered at once: a hundred in one packet would keep others waiting."""

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override] # as uvicorn's own
        """Accept a connection."""
        self._chunks: list[bytes] = []
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read data, and answer the request that it completes, or hand it on."""
        self._has_answered = False
        super().data_received(data)
        if self._head is not None:
            self._await_body(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the request that was being read."""
        if self._head is not None:
            self._head.charge.close()
        self._forget()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection, after the answer to a request that has begun."""
        if self._head is not None:
            self._hand_on()
        super().shutdown()

    def on_message_begin(self) -> None:
        """Begin a request; its scope is made when it is needed."""
        if not self._stands_in:
            self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Decide how the request goes on."""
        if not self._stands_in:
            self._head = self._usual_head()
            if self._head is not None:
                self._begin_body()
                return
            self._make_scope()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._head is None:
            super().on_body(body)
        else:
            self._body_bytes += len(body)
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Answer, or hand on."""
        if self._head is not None:
            body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            if self.endpoint.answer(self._head, body, self):
                self._forget()
                self._end_message()
                return
            self._hand_on()
        super().on_message_complete()

    def send(self, reply: Reply, headers: RawHeaders, when_read: Callable[[], None]) -> None:
        """Write a reply as uvicorn does, and call `when_read` once no part of it waits here for the client."""
        lines = [b"%s: %s\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        self.transport.write(b"".join([STATUS_LINE[reply.status], *lines, b"\r\n", reply.body]))
        self._has_answered = True
        self.note_answer()
        if not self.flow.write_paused:
            when_read()
            return
        task = self.loop.create_task(self._until_read(when_read))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _until_read(self, when_read: Callable[[], None]) -> None:
        try:
            await self.flow.drain()  # uvicorn ends it when the connection is lost, too
        finally:
            when_read()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer as the general way does: what is being read gets the refusal, not what was answered before."""
        if self._head is not None:
            self._hand_on()
        super()._refuse(status, code, message)

    def _usual_head(self) -> Head | None:
        """Return the head that was just read; None when the request has to go the general way."""
        parser = self.parser
        is_free = self.cycle is None or self.cycle.response_complete
        if not is_free or self._has_answered or self.flow.write_paused or self._is_busy():
            return None
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or parser.should_upgrade():
            return None
        return self.endpoint.head(self.url, self.headers) if parser.should_keep_alive() else None

    def _await_body(self, head: Head) -> None:
        """Wait a moment for the rest of a body: the first packets of a connection are small."""
        if not self.endpoint.holds(head, self._body_bytes):
            self._hand_on()
        elif self._body_timer is None:
            self._body_timer = self.loop.call_later(_PATIENCE_SECONDS, self._hand_on)

    def _hand_on(self) -> None:
        """Let the request go the general way, with what has come of its body."""
        chunks = self._chunks
        if self._head is not None:
            self._head.charge.close()
        self._forget()
        self._make_scope()
        super().on_headers_complete()
        for chunk in chunks:
            self._body_bytes -= len(chunk)
            super().on_body(chunk)

    def _forget(self) -> None:
        """Read no usual request any more."""
        self._head, self._chunks = None, []
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _make_scope(self) -> None:
        """Do what uvicorn does when a request begins, now that its head is known."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers


def direct(
    endpoint: DirectEndpoint, limits: Limits, metrics: Metrics, accesses: AccessLog | None
) -> type[DirectProtocol]:
    """Make the protocol class of one process; uvicorn makes an instance of it for each connection."""
    content: dict[str, Any] = {"endpoint": endpoint, "limits": limits, "metrics": metrics, "accesses": accesses}
    return type("Direct", (DirectProtocol,), content)
