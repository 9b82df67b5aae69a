"""The paths: TensorFlow Serving's REST surface, health and metrics, on Starlette."""

import asyncio
import logging
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from serving.bodies import responses
from serving.errors import RequestError, bad_request, not_found, too_large
from serving.http.answer_pool import AnswerPool
from serving.http.inference import VERBS, Inference, ParsedPath
from serving.http.memory_budget import Charge, MemoryBudget
from serving.limits import Limits
from serving.metrics import Metrics
from serving.versions.manager import ModelManager

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
VERSION = r"[1-9][0-9]{0,18}"
_ROOT = "/v1/models/"
_PATH = re.compile(
    rf"(?P<model>{NAME})(?:/versions/(?P<version>{VERSION})|/labels/(?P<label>{NAME}))?(?P<rest>/metadata|:[a-z]+)?",
    re.ASCII,
)
_JSON_TYPES = frozenset({"application/json", "text/json", "application/x-www-form-urlencoded", ""})
"""Content types of a body: JSON, curl's default for `-d`, and none; TensorFlow Serving takes all of them."""
_DEFLATE_RATIO = 1032
"""Most bytes that one byte of gzip inflates to."""
_LOG = logging.getLogger("serving")
Handler = Callable[[Request], Awaitable[Response]]


class ServingApp:
    """The application of one process; `draining` turns readiness off and closes connections after their answer."""

    def __init__(self, manager: ModelManager, metrics: Metrics, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self.draining = False
        self._manager = manager
        self._metrics = metrics
        self._limits = limits
        self._inference = Inference(manager, limits, metrics)
        self._pool = AnswerPool(limits)
        self.budget = MemoryBudget(limits)
        self.asgi = Starlette(
            routes=[
                Route("/v1/models/{rest:path}", self._get, methods=["GET"]),
                Route("/v1/models/{rest:path}", self._post, methods=["POST"]),
                Route("/healthz", self._health, methods=["GET"]),
                Route("/readyz", self._readiness, methods=["GET"]),
                Route("/metrics", self._text, methods=["GET"]),
            ],
            exception_handlers={HTTPException: _unrouted},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        # Connections are accepted after this: a new worker gets no request before it can answer.
        await asyncio.to_thread(self._manager.start)
        yield
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._manager.stop)

    async def _health(self, _: Request) -> Response:
        return self._send(200, responses.encode({"status": "alive"}))

    async def _readiness(self, _: Request) -> Response:
        if self.draining:
            return self._send(503, responses.error_body("draining: this process is shutting down", "UNAVAILABLE"))
        if missing := self._manager.waiting_for():
            return self._send(503, responses.error_body(missing, "UNAVAILABLE"))
        return self._send(200, responses.encode({"status": "ready"}))

    async def _text(self, _: Request) -> Response:
        return Response(
            await asyncio.to_thread(self._metrics.text), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    async def _get(self, request: Request) -> Response:
        return await self._answer(request, "status", self._describe)

    async def _post(self, request: Request) -> Response:
        return await self._answer(request, "", self._infer)

    async def _answer(
        self, request: Request, verb: str, how: Callable[[Request, ParsedPath], Awaitable[tuple[str, bytes]]]
    ) -> Response:
        """Answer and count; every error has TensorFlow Serving's form."""
        model, version, status = "", "", 200
        try:
            path = parse_path(request.scope["path"].removeprefix(_ROOT), request.method)
            verb = path.verb or verb
            model = path.model if self._manager.has(path.model) else ""
            version, body = await how(request, path)
            response = self._send(200, body)
        except RequestError as error:
            status = error.status
            response = self._refuse(error)
        except Exception:
            # A bug of ours: details go to the log, not to the client.
            _LOG.exception("%s failed", request.method)
            status = 500
            response = self._send(500, responses.error_body("internal error; the server's log has it", "INTERNAL"))
        self._metrics.requests.labels(model, version, verb, str(status)).inc()
        return response

    async def _describe(self, _: Request, path: ParsedPath) -> tuple[str, bytes]:
        if path.verb == "metadata":
            return await asyncio.to_thread(self._metadata, path)
        found = self._manager.status(path.model, path.version, path.label)
        listed = [
            {"version": str(s.version), "state": s.state, "status": {"error_code": s.code, "error_message": s.message}}
            for s in found
        ]
        return "", responses.encode({"model_version_status": listed})

    def _metadata(self, path: ParsedPath) -> tuple[str, bytes]:
        with self._manager.lease(path.model, path.version, path.label) as lease:
            spec = {"name": path.model, "signature_name": "", "version": str(lease.version)}
            return str(lease.version), responses.encode(
                {"model_spec": spec, "metadata": {"signature_def": {"signature_def": lease.model.metadata()}}}
            )

    async def _infer(self, request: Request, path: ParsedPath) -> tuple[str, bytes]:
        if not self._manager.has(path.model):
            raise not_found(f"Servable not found for request: {'Specific' if path.version else 'Latest'}({path.model})")
        with self.budget.charge() as charge:
            body = await self._read(request, charge)
            started = time.perf_counter()
            try:
                answer = await self._pool.run(request, partial(self._inference.answer, path, body))
            finally:
                # The body was read before, so a slow client does not count.
                self._metrics.seconds.labels(path.model, path.verb).observe(time.perf_counter() - started)
        return str(answer.version), answer.body

    async def _read(self, request: Request, charge: Charge) -> bytes:
        """Read a body within its caps; RequestError (408, 411, 413, 415, 503), if possible before reading it."""
        encoding = self._check_headers(request)
        chunks: list[bytes] = []
        held = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    held += len(chunk)
                    charge.hold(held)
                    if held > self._limits.body_bytes:
                        raise too_large(f"the body is larger than {self._limits.body_bytes} bytes")
                    chunks.append(chunk)
        except TimeoutError:
            self._metrics.refused_connections.labels("slow body").inc()
            raise RequestError(
                408, "DEADLINE_EXCEEDED", f"the body did not arrive within {self._limits.body_seconds:g} s"
            ) from None
        except ClientDisconnect:
            raise RequestError(400, "CANCELLED", "the client went away") from None
        body = b"".join(chunks)
        if encoding == "gzip":
            charge.hold(held + min(self._limits.body_bytes, held * _DEFLATE_RATIO))
            # In a thread: inflating to the cap takes as long as many small requests.
            body = await asyncio.to_thread(_inflate, body, self._limits.body_bytes)
        charge.parse(len(body))
        return body

    def _check_headers(self, request: Request) -> str:
        """Check what the headers say before a byte of the body is read, and return the content encoding."""
        headers = request.headers
        length = headers.get("content-length")
        if length is None or "transfer-encoding" in headers:
            raise RequestError(
                411, "LENGTH_REQUIRED", "wanted a Content-Length, got none: chunked bodies are not taken"
            )
        if not re.fullmatch(r"[0-9]{1,18}", length, re.ASCII):
            raise bad_request("Content-Length: wanted a number of bytes")
        if int(length) > self._limits.body_bytes:
            raise too_large(
                f"the body has {length} bytes, the most is {self._limits.body_bytes}; send fewer rows in one request"
            )
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _JSON_TYPES:
            raise RequestError(
                415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Type: wanted application/json, got {kind[:60]!a}"
            )
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise RequestError(
                415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Encoding: wanted gzip or none, got {encoding[:60]!a}"
            )
        return encoding

    def _send(self, status: int, body: bytes) -> Response:
        headers = {"connection": "close"} if self.draining else None
        return Response(body, status, headers, "application/json")

    def _refuse(self, error: RequestError) -> Response:
        """Answer an error; where the body may not have been read, the connection cannot be used again."""
        if error.status >= 500 and error.status != 503:
            _LOG.error("%s: %s", error.code, error)
        response = self._send(error.status, responses.error_body(str(error), error.code))
        if error.status in {404, 408, 411, 413, 415, 503, 504}:
            response.headers["connection"] = "close"
        if error.status == 503:
            response.headers["retry-after"] = "1"
        return response


def parse_path(rest: str, method: str) -> ParsedPath:
    """Read what follows /v1/models/; RequestError (400, 404) for anything that is not exactly a known form.

    No part of it is used as a path of files: names are only looked up among the loaded models.
    """
    found = _PATH.fullmatch(rest)
    malformed = bad_request(f"Malformed request: {method} /v1/models/{ascii(rest[:100])[1:-1]}")
    if found is None:
        raise malformed
    verb = (found["rest"] or "").lstrip("/:")
    if method == "GET" and (found["rest"] or "/").startswith("/"):
        return ParsedPath(found["model"], int(found["version"]) if found["version"] else None, found["label"], verb)
    if method == "POST" and verb in VERBS and (found["rest"] or "").startswith(":"):
        return ParsedPath(found["model"], int(found["version"]) if found["version"] else None, found["label"], verb)
    raise malformed


def _inflate(body: bytes, most: int) -> bytes:
    """Inflate a gzip body, up to the cap."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise bad_request(f"Content-Encoding: wanted gzip, got {error}") from None
    if len(inflated) > most:
        raise too_large(f"the inflated body is larger than {most} bytes")
    if not inflater.eof or inflater.unused_data:
        raise bad_request("Content-Encoding: wanted one whole gzip stream, got a truncated one or something after it")
    return inflated


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method with an error in TensorFlow Serving's form."""
    assert isinstance(error, HTTPException)
    message = f"Malformed request: {request.method} {ascii(request.url.path[:100])[1:-1]}"
    headers: dict[str, Any] = {**(error.headers or {}), "connection": "close"}
    return Response(
        responses.error_body(message, "NOT_FOUND" if error.status_code == 404 else "INVALID_ARGUMENT"),
        error.status_code,
        headers,
        "application/json",
    )
