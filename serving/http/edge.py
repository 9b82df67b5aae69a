"""The outermost layer of the application: request ids, paths, the access log, and when to hang up."""

import time
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.access_log import Access, AccessLog
from serving.request_ids import HEADER, request_id

VERSION_HEADER: Final = "x-model-version"
"""Names, in an answer, the version that gave it."""
REQUEST_ID: Final = "mlops.request_id"
"""Key of a request's scope; the client's id if it is a valid one, else one of ours."""

_REQUEST_ID_HEADER = HEADER.encode()
_VERSION_HEADER = VERSION_HEADER.encode()
_CLOSE = (b"connection", b"close")


class Edge:
    """Wraps the application; every request and every answer passes here."""

    def __init__(self, app: ASGIApp, log: AccessLog | None = None, routes: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._log = log
        self._routes = routes or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        scope[REQUEST_ID] = exchange.request_id
        if len(scope["path"]) > 1:
            scope["path"] = scope["path"].removesuffix("/")
        scope["path"] = self._routes.get(scope["path"], scope["path"])
        if self._log is None:
            await self._app(scope, exchange.receive, exchange.send)
            return
        path, at, started = scope["path"], time.time(), time.perf_counter()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            client = scope["client"][0] if scope["client"] else ""
            seconds = time.perf_counter() - started
            size = 0 if scope["method"] == "HEAD" else exchange.size
            self._log.write(
                Access(
                    at,
                    client,
                    scope["method"],
                    path,
                    exchange.status,
                    size,
                    seconds,
                    exchange.version,
                    exchange.request_id,
                )
            )


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_receive", "_send", "_unread", "request_id", "size", "status", "version")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(reversed(scope["headers"]))  # of a header that comes twice, the first counts
        self._receive = receive
        self._send = send
        self._unread = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        self.request_id = request_id(headers.get(_REQUEST_ID_HEADER, b"").decode("latin-1"))
        self.status = 0
        self.size = 0
        self.version = ""

    async def receive(self) -> Message:
        """Receive a message, and note the end of the body."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        """Send a message, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            headers = message["headers"]
            headers.append((_REQUEST_ID_HEADER, self.request_id.encode()))
            if self._unread and _CLOSE not in headers:
                # The rest of the body is in the way of the next request.
                headers.append(_CLOSE)
            self.status = message["status"]
            self.version = dict(headers).get(_VERSION_HEADER, b"").decode()
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)
