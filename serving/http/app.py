"""The paths: TensorFlow Serving's REST surface, health and metrics, on Starlette."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answer_pool import AnswerPool
from serving.bodies import open_inference, responses
from serving.http import openapi
from serving.http.access_log import AccessLog
from serving.http.bearer import BearerGate, Tokens
from serving.http.direct import DirectEndpoint
from serving.http.edge import Edge
from serving.http.endpoint import InferenceEndpoint, Parts
from serving.http.inference import Inference
from serving.http.page import HEADERS as PAGE_HEADERS
from serving.http.page import PAGE
from serving.http.paths import OPEN_ROOT, ROOT, ParsedPath
from serving.http.policy import Policy
from serving.http.replies import How, Replies, Reply
from serving.http.request_body import BodyReader
from serving.limits import Limits
from serving.memory_budget import MemoryBudget
from serving.metrics import Metrics
from serving.prediction_log.log import PredictionLog
from serving.versions.loaded import Status
from serving.versions.manager import ModelManager

_HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Never need a token: who asks cannot keep one, and the answers say nothing but whether this server lives."""
_INFERENCES = (f"{ROOT}/", f"{OPEN_ROOT}/")
_METRICS_PATHS = frozenset({"/metrics", "/monitoring/prometheus/metrics"})
"""The usual path, and TensorFlow Serving's."""
_LOG = logging.getLogger("serving")
Beside = Callable[[AnswerPool, MemoryBudget, PredictionLog | None], AbstractAsyncContextManager[None]]


class ServingApp:
    """The application of one process.

    `draining` turns readiness off; `closing` closes each connection after its next answer, as draining does too.
    `beside` returns a further server over the same threads, memory and log, which lives as long as the application.
    """

    def __init__(
        self,
        manager: ModelManager,
        metrics: Metrics,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        policy: Policy = Policy(),  # noqa: B008 - frozen
        beside: Beside | None = None,
    ) -> None:
        self.draining = False
        self.closing = False
        self._manager = manager
        self._metrics = metrics
        self._log = PredictionLog(policy.prediction_log, metrics) if policy.prediction_log else None
        self.inference = Inference(manager, limits, metrics, self._log)
        self._pool = AnswerPool(limits)
        self._beside = beside
        self.budget = MemoryBudget(limits)
        self._replies = Replies(manager, metrics)
        bodies = BodyReader(limits, metrics)
        parts = Parts(manager, metrics, bodies, self.budget, self._pool, self.inference, self._replies, self._closes)
        self._endpoint = InferenceEndpoint(parts)
        self._routed = Starlette(
            routes=[
                Route(ROOT, self._list, methods=["GET"]),
                Route(f"{ROOT}/{{rest:path}}", self._get, methods=["GET"]),
                Route(f"{ROOT}/{{rest:path}}", self._endpoint, methods=["POST"]),  # for the methods that a 405 names
                Route("/v2", self._server, methods=["GET"]),
                Route("/v2/health/live", self._live, methods=["GET"]),
                Route("/v2/health/ready", self._ready, methods=["GET"]),
                Route(f"{OPEN_ROOT}/{{rest:path}}", self._open_get, methods=["GET"]),
                Route(f"{OPEN_ROOT}/{{rest:path}}", self._endpoint, methods=["POST"]),
                Route("/", self._page, methods=["GET"]),
                Route("/healthz", self._health, methods=["GET"]),
                Route("/readyz", self._readiness, methods=["GET"]),
                *[Route(path, self._text, methods=["GET"]) for path in sorted(_METRICS_PATHS)],
            ],
            exception_handlers={HTTPException: _unrouted},
            lifespan=self._lifespan,
        )
        self._routed.router.redirect_slashes = False  # a redirect would repeat the client's Host
        self.access_log = AccessLog(policy.access_log, metrics) if policy.access_log else None
        tokens = Tokens(policy.token, policy.token_file) if policy.token or policy.token_file is not None else None
        self.asgi = Edge(self._guarded(self._dispatch, policy, tokens), self.access_log, policy.routes)
        self.direct = DirectEndpoint(parts, policy, tokens, self.access_log)
        """Answers usual requests without what `asgi` goes through, and alike."""

    def _guarded(self, app: ASGIApp, policy: Policy, tokens: Tokens | None) -> ASGIApp:
        """Put what the policy asks for around the paths."""
        if tokens is not None:
            open_paths = _HEALTH_PATHS | (_METRICS_PATHS if policy.open_metrics else frozenset())
            app = BearerGate(app, tokens, open_paths, self._metrics)
        if policy.origins:
            # Outside of the gate: browsers send no token with the request that asks whether they may.
            app = CORSMiddleware(
                app,
                allow_origins=policy.origins,
                allow_methods=("GET", "HEAD", "POST"),
                allow_headers=("Authorization", "Content-Encoding", "Content-Type", "X-Request-Id"),
                expose_headers=("Retry-After", "X-Model-Version", "X-Request-Id"),
            )
        return app

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(_INFERENCES):
            await self._endpoint(scope, receive, send)
        else:
            await self._routed(scope, receive, send)

    def drain(self) -> None:
        """Begin to shut down; may be called from a signal handler."""
        self.draining = True
        self._manager.stop_waiting()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        # Connections are accepted after this: a new worker gets no request before it can answer.
        await asyncio.to_thread(self._manager.start)
        if self._log is not None:
            self._log.start()
        async with self._beside(self._pool, self.budget, self._log) if self._beside else nullcontext():
            yield
        await asyncio.to_thread(self._pool.shutdown)
        if self._log is not None:
            await asyncio.to_thread(self._log.close)
        await asyncio.to_thread(self._manager.stop)
        if self.access_log is not None:
            await asyncio.to_thread(self.access_log.close)

    async def _health(self, _: Request) -> Response:
        return self._send(200, responses.encode({"status": "alive"}))

    async def _readiness(self, _: Request) -> Response:
        if missing := self._not_ready():
            return self._send(503, responses.error_body(missing, "UNAVAILABLE"))
        troubles = self._manager.troubles()
        return self._send(200, responses.encode({"status": "ready", **({"troubles": troubles} if troubles else {})}))

    def _not_ready(self) -> str:
        """Say why this process takes no requests; "" when it does."""
        return "draining: this process is shutting down" if self.draining else self._manager.waiting_for()

    async def _server(self, _: Request) -> Response:
        return self._send(200, responses.encode({"name": "ml-in-production", "version": "2", "extensions": []}))

    async def _live(self, _: Request) -> Response:
        return self._send(200, responses.encode({"live": True}))

    async def _ready(self, _: Request) -> Response:
        missing = self._not_ready()
        return self._send(503 if missing else 200, responses.encode({"ready": not missing}))

    async def _page(self, _: Request) -> Response:
        return Response(PAGE, headers=PAGE_HEADERS, media_type="text/html")

    async def _text(self, _: Request) -> Response:
        return Response(
            await asyncio.to_thread(self._metrics.text), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    async def _list(self, _: Request) -> Response:
        known = self._manager.overview()
        champions = {name: str(champion) for name, (champion, _) in known.items() if champion is not None}
        statuses = {name: _listed(found) for name, (_, found) in known.items()}
        return self._send(
            200, responses.encode({"models": [*known], "champions": champions, "model_version_status": statuses})
        )

    async def _get(self, request: Request) -> Response:
        return await self._answer(request, self._describe)

    async def _open_get(self, request: Request) -> Response:
        return await self._answer(request, self._describe_open)

    async def _answer(self, request: Request, how: How) -> Response:
        reply = await self._replies.reply(request.scope, "status", how)
        return self._send(reply.status, reply.body, reply.version)

    async def _describe(self, path: ParsedPath) -> tuple[str, bytes]:
        if path.verb == "metadata":
            return await asyncio.to_thread(self._metadata, path)
        if path.verb == "openapi.json":
            return await asyncio.to_thread(self._openapi, path)
        found = self._manager.status(path.model, path.version, path.label)
        return "", responses.encode({"model_version_status": _listed(found)})

    def _metadata(self, path: ParsedPath) -> tuple[str, bytes]:
        with self._manager.lease(path.model, path.version, path.label) as lease:
            spec = {"name": path.model, "signature_name": "", "version": str(lease.version)}
            return str(lease.version), responses.encode(
                {"model_spec": spec, "metadata": {"signature_def": {"signature_def": lease.model.metadata()}}}
            )

    def _openapi(self, path: ParsedPath) -> tuple[str, bytes]:
        with self._manager.lease(path.model, path.version, path.label) as lease:
            return str(lease.version), responses.encode(openapi.document(path.model, lease.version, lease.model))

    async def _describe_open(self, path: ParsedPath) -> tuple[str, bytes]:
        if path.verb == "ready":
            found = self._manager.status(path.model, path.version, None)
            is_ready = not self.draining and any(status.state == "AVAILABLE" for status in found)
            return "", responses.encode({"name": path.model, "ready": is_ready})
        return await asyncio.to_thread(self._open_metadata, path)

    def _open_metadata(self, path: ParsedPath) -> tuple[str, bytes]:
        known = self._manager.status(path.model, path.version, None)
        versions = sorted(status.version for status in known if status.state == "AVAILABLE")
        with self._manager.lease(path.model, path.version, None) as lease:
            described = open_inference.model_metadata(path.model, versions, lease.model.signatures)
            return str(lease.version), responses.encode(described)

    def _send(self, status: int, body: bytes, version: str = "") -> Response:
        response = Response(body, status)
        response.raw_headers = Reply(status, body, version).headers(closes=self._closes())
        return response

    def _closes(self) -> bool:
        return self.draining or self.closing


def _listed(found: list[Status]) -> list[dict[str, Any]]:
    """Describe versions as TensorFlow Serving does."""
    return [
        {"version": str(s.version), "state": s.state, "status": {"error_code": s.code, "error_message": s.message}}
        for s in found
    ]


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer an unknown path or method with an error in TensorFlow Serving's form."""
    assert isinstance(error, HTTPException)
    message = f"Malformed request: {request.method} {ascii(request.url.path[:100])[1:-1]}"
    return Response(
        responses.error_body(message, "NOT_FOUND" if error.status_code == 404 else "INVALID_ARGUMENT"),
        error.status_code,
        error.headers,
        "application/json",
    )
