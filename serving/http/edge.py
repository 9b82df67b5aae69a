"""The outermost layer of the application: request ids, trailing slashes, and connections that end with an answer."""

import re
import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

VERSION_HEADER: Final = "x-model-version"
"""Names, in an answer, the version that gave it."""
REQUEST_ID_HEADER: Final = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}", re.ASCII)


class Edge:
    """Wraps the application; every request and every answer passes here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        if len(scope["path"]) > 1:
            scope["path"] = scope["path"].removesuffix("/")

        async def receive_and_note() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def send_and_mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                marked = MutableHeaders(raw=message["headers"])
                marked[REQUEST_ID_HEADER] = request_id
                if unread:
                    # The rest of the body is in the way of the next request.
                    marked["connection"] = "close"
            await send(message)

        await self._app(scope, receive_and_note, send_and_mark)


def _request_id(headers: Headers) -> str:
    """Take the client's id over, so that its log and ours can be joined, unless it could garble a log."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
