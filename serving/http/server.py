"""One serving process: the application on a listening socket, until it is stopped."""

import asyncio
import logging
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from core.errors import MlopsError
from serving.answer_pool import AnswerPool
from serving.http.app import ServingApp
from serving.http.bearer import Tokens
from serving.http.certificate import Certificate
from serving.http.connection.acceptor import Acceptor, Crowd
from serving.http.connection.direct import direct
from serving.http.policy import Policy
from serving.limits import Limits
from serving.memory_budget import MemoryBudget
from serving.metrics import Metrics
from serving.prediction_log.log import PredictionLog
from serving.processes.channel import WorkerEnd
from serving.processes.memory import without_fast_bins
from serving.rollout import exposition
from serving.rollout.shadow import ShadowSender
from serving.rollout.trial import CountedTrial
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import Shelf

if TYPE_CHECKING:
    from serving.rpc.server import RpcServer

_OTHER_FILES = 512
"""Open files besides the connections: model files, logs, libraries, metrics."""
_TICKS_BETWEEN_LOOKS = 20
"""Uvicorn ticks ten times a second."""
_LOG = logging.getLogger("serving")


@dataclass(frozen=True)
class Options:
    """How a process serves."""

    limits: Limits = field(default_factory=Limits)
    watch: Watch = field(default_factory=Watch)
    policy: Policy = field(default_factory=Policy)
    drain_seconds: float = 1.0
    """After SIGTERM, how long requests are still taken while readiness is off, so that balancers can react."""
    grpc_address: str = ""
    """`host:port` of TensorFlow Serving's gRPC services; empty: not served."""
    finish_seconds: float = 20.0
    """After that, how long running requests may take to finish."""
    linger_seconds: float = 5.0
    """How long a worker that another has replaced waits for the next request on each of its open connections."""
    rpc_connection_seconds: float = 8.0
    """After that, a gRPC client is asked to connect anew, possibly to another worker; its calls go on undisturbed."""
    crowd: Crowd = field(default_factory=Crowd)
    """The workers that share the listening socket."""
    counts: Path | None = None
    """The folder in which all processes count canaries; None counts none."""
    shadow: socket.socket | None = None
    """Where copies of requests go in shadow mode."""


@dataclass
class _Rpc:
    """gRPC in the process that serves HTTP, over the same threads, memory and log."""

    manager: ModelManager
    metrics: Metrics
    options: Options
    certificate: Certificate | None
    server: "RpcServer | None" = None
    """None until the application has started, and for good where gRPC is not served."""

    @asynccontextmanager
    async def running(self, pool: AnswerPool, budget: MemoryBudget, log: PredictionLog | None) -> AsyncIterator[None]:
        """Serve gRPC while the block runs."""
        from serving.rpc.prediction_service import PredictionService  # noqa: PLC0415 - grpc is started after the fork
        from serving.rpc.server import Access, Bounds, RpcServer  # noqa: PLC0415

        options, policy, certificate = self.options, self.options.policy, self.certificate
        tokens = Tokens(policy.token, policy.token_file) if policy.token or policy.token_file else None
        access = Access(tokens.accept if tokens else None, (lambda: certificate.pem) if certificate else None)
        service = PredictionService(self.manager, pool, options.limits, self.metrics, log)
        server = RpcServer(service, Bounds(options.limits, budget, options.rpc_connection_seconds), access)
        await server.start(options.grpc_address)
        self.server = server
        try:
            yield
        finally:
            await server.stop(options.finish_seconds)

    def leave(self) -> None:
        """Leave new connections to the other workers."""
        if self.server is not None:
            self.server.stop_listening()

    def has_left(self) -> bool:
        """Whether no client is connected any more."""
        return self.server is None or not self.server.connections()


class _Beside(NamedTuple):
    """What a server has besides its application."""

    peers: WorkerEnd | None
    certificate: Certificate | None
    rpc: _Rpc


class Server(uvicorn.Server):
    """Uvicorn, but SIGTERM first turns readiness off, and only later closes the socket."""

    def __init__(self, config: uvicorn.Config, app: ServingApp, options: Options, beside: "_Beside") -> None:
        super().__init__(config)
        self._app = app
        self._options = options
        self._peers = peers = beside.peers
        self._certificate = beside.certificate
        self._rpc = beside.rpc
        self._close_at: float | None = None
        self._retires = False
        self._acceptors: list[Acceptor] = []
        if peers is not None:
            peers.on_retire = self.retire

    def retire(self) -> None:
        """Leave new connections to the other workers, close the open ones after their next answer, and end.

        Readiness stays on, as the server as a whole is ready. May be called from any thread.
        """
        self._retires = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, accept connections in this worker's turn, and tell the other workers."""
        await super().startup([])
        context = self._certificate.context if self._certificate else None
        handshake = self._options.limits.header_seconds
        for listener in sockets or []:
            acceptor = Acceptor(listener, self._options.crowd, lambda: len(self.server_state.connections), handshake)
            acceptor.start(self._protocol, context)
            self._acceptors.append(acceptor)
        if self._peers is not None and self.started:
            self._peers.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, then let running requests finish."""
        self._stop_accepting()
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn's own call
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def _stop_accepting(self) -> None:
        while self._acceptors:
            self._acceptors.pop().close()

    def _longest_linger(self) -> float:
        """Return the seconds until clients of a worker that retires are cut off.

        Those of gRPC leave by themselves: each connection ends at its age, which gRPC varies by a tenth.
        """
        has_left = self._rpc.has_left()
        return max(self._options.linger_seconds, 0 if has_left else 1.5 * self._options.rpc_connection_seconds)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to drain; further signals change nothing, as only the supervisor knows whether it was asked twice.

        A terminal, a service manager or `timeout` signals all processes of a server, before or after the supervisor
        sends SIGTERM.
        """
        if not self._app.draining:
            self._app.drain()
            self._close_at = time.monotonic() + (self._options.drain_seconds if sig == signal.SIGTERM else 0.0)

    async def on_tick(self, counter: int) -> bool:
        """Stop accepting when the time to drain is over, or when this worker retires; follow the certificate."""
        if self._retires and not self._app.closing:
            self._app.closing = True
            self._stop_accepting()
            self._rpc.leave()
            self._close_at = self._close_at or time.monotonic() + self._longest_linger()
        if self._certificate is not None and counter % _TICKS_BETWEEN_LOOKS == 0:
            self._certificate.follow()
        for acceptor in self._acceptors:
            acceptor.note()
        has_left = self._app.closing and not self.server_state.connections and self._rpc.has_left()
        if has_left or (self._close_at is not None and time.monotonic() >= self._close_at):
            self.should_exit = True
        return await super().on_tick(counter)


def make_server(shelf: Shelf, options: Options, peers: WorkerEnd | None = None) -> Server:
    """Build the server of one process; nothing is loaded and no socket is used yet."""
    metrics = Metrics()
    watch, counts = options.watch, options.counts
    if counts is not None:
        watch = replace(watch, make_trial=partial(CountedTrial.in_folder, counts))
        metrics.more.append(partial(exposition.text, counts))
    manager = ModelManager(shelf, load_version, metrics, watch, peers)
    certificate = Certificate(options.policy.tls) if options.policy.tls else None
    rpc = _Rpc(manager, metrics, options, certificate)
    app = ServingApp(manager, metrics, options.limits, options.policy, rpc.running if options.grpc_address else None)
    app.inference.shadow = ShadowSender(options.shadow, metrics) if options.shadow else None
    config = uvicorn.Config(
        app.asgi,
        http=direct(app.direct, options.limits, metrics, app.access_log),
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(options.limits.idle_seconds),
        timeout_graceful_shutdown=int(options.finish_seconds),
    )
    return Server(config, app, options, _Beside(peers, certificate, rpc))


def serve(shelf: Shelf, listener: socket.socket, options: Options, peers: WorkerEnd | None = None) -> None:
    """Serve until SIGTERM or SIGINT, alone or with peers; MlopsError when the application cannot start."""
    _allow_files(options.limits.connections + _OTHER_FILES)
    without_fast_bins()
    server = make_server(shelf, options, peers)
    server.run([listener])
    if not server.started:
        raise MlopsError("the server did not start; its log says why")
    _LOG.info("stopped")


def _allow_files(wanted: int) -> None:
    """Raise this process's limit on open files, or the kernel would refuse connections before our own cap does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted and soft != resource.RLIM_INFINITY:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
