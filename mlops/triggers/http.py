"""The handler over HTTP: one POST an event, answered once the event is kept, or once its run is submitted."""

import logging
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import MlopsError
from mlops.triggers.fact import MAX_BYTES, EventError
from mlops.triggers.handler import Handler, Rejected, Taken
from mlops.triggers.records import Full
from mlops.triggers.sender import Senders, Unauthorized
from mlops.triggers.storage.protocol import JournalError

_LOG = logging.getLogger("mlops.triggers")
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Unauthorized, 401),
    (EventError, 400),
    (Rejected, 422),
    (JournalError, 503),
    (Full, 503),
    (OSError, 503),
)


def application(handler: Handler, senders: Senders, on_taken: Callable[[Taken], None]) -> Starlette:
    """Return the application; `on_taken` is called with every delivery that was taken, before its answer.

    202 for a new fact, 200 for one that is known, 204 for a message that is no fact, 400 malformed, 401 unknown
    sender, 413 too large, 422 kept as a dead letter, 503 not kept: send it again.
    """

    async def take(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return JSONResponse({"error": f"wanted an event of at most {MAX_BYTES} bytes"}, 413)
        try:
            taken = await run_in_threadpool(taken_from, dict(request.headers), body)
        except (MlopsError, OSError) as error:
            return _refused(error, request)
        return _answer(taken)

    def taken_from(headers: dict[str, str], body: bytes) -> Taken:
        sender = senders.check(headers, body, handler.clock())
        taken = handler.take_request(headers, body)
        if taken.fact is not None:
            _LOG.info("%s fact %s from %s", "new" if taken.is_new else "known", taken.fact.key, sender)
        on_taken(taken)
        return taken

    async def alive(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [
        Route("/", take, methods=["POST"]),
        Route("/events", take, methods=["POST"]),
        Route("/healthz", alive),
        Route("/readyz", alive),
    ]
    return Starlette(routes=routes)


async def _body(request: Request) -> bytes | None:
    """Read a body of bounded size; None for a larger one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            return None
    return bytes(body)


def _answer(taken: Taken) -> Response:
    if taken.fact is None:
        return Response(status_code=204)
    return JSONResponse({"fact": taken.fact.key, "new": taken.is_new}, 202 if taken.is_new else 200)


def _refused(error: Exception, request: Request) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    client = request.client.host if request.client else "unknown"
    _LOG.warning("refused an event from %s with %d: %s", client, status, error)
    headers = {"retry-after": "10"} if status == 503 else {}
    return JSONResponse({"error": str(error)}, status, headers=headers)
