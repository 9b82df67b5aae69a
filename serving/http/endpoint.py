"""The endpoint of inferences, below the framework: its layers take as long as decoding a row does."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from starlette.types import Receive, Scope, Send

from serving.answer_pool import AnswerPool
from serving.errors import not_found
from serving.http.edge import REQUEST_ID
from serving.http.inference import Inference, InferenceRequest
from serving.http.paths import ParsedPath
from serving.http.replies import Replies, Reply
from serving.http.request_body import BodyReader
from serving.memory_budget import Charge, MemoryBudget
from serving.metrics import Metrics
from serving.versions.manager import ModelManager

_BUFFERED_BYTES = 64 << 10
"""What a connection buffers before it makes its sender wait."""


class Parts(NamedTuple):
    """What the endpoint works with."""

    manager: ModelManager
    metrics: Metrics
    bodies: BodyReader
    budget: MemoryBudget
    pool: AnswerPool
    inference: Inference
    replies: Replies
    closes: Callable[[], bool]
    """Whether connections are closed after their next answer."""


class _Caller(NamedTuple):
    """Who asked."""

    receive: Callable[[], Awaitable[Any]]


class InferenceEndpoint:
    """An ASGI application for POST below /v1/models/ and /v2/models/."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        parts = self._parts
        with parts.budget.charge() as charge:
            reply = await parts.replies.reply(scope, "", partial(self._infer, scope, receive, charge))
            charge.reply(len(reply.body))
            await self._send(reply, send)

    async def _send(self, reply: Reply, send: Send) -> None:
        headers = reply.headers(closes=self._parts.closes())
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        is_large = len(reply.body) > _BUFFERED_BYTES
        await send({"type": "http.response.body", "body": reply.body, "more_body": is_large})
        if is_large:
            # Waits until the client has read it, so that it is charged as long as it is in memory.
            await send({"type": "http.response.body", "body": b""})

    async def _infer(self, scope: Scope, receive: Receive, charge: Charge, path: ParsedPath) -> tuple[str, bytes]:
        parts = self._parts
        if not parts.manager.has(path.model):
            raise not_found(f"Servable not found for request: {path.servable()}")
        body = await parts.bodies.read(scope, receive, charge)
        request = InferenceRequest(path, body, scope[REQUEST_ID], scope["headers"], charge)
        started = time.perf_counter()
        try:
            work, kind = partial(parts.inference.answer, request), parts.inference.kind(path, len(body))
            answer = await parts.pool.run(_Caller(receive), work, kind)
        finally:
            # The body was read before, so a slow client does not count.
            parts.metrics.time_request(path.model, path.verb, time.perf_counter() - started)
        return str(answer.version), answer.body
