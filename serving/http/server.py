"""One serving process: the application on a listening socket, until it is stopped."""

import logging
import resource
import signal
import socket
import time
from dataclasses import dataclass, field
from types import FrameType

import uvicorn

from core.errors import MlopsError
from serving.http.app import ServingApp
from serving.http.protocol import bounded
from serving.limits import Limits
from serving.metrics import Metrics
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import Shelf

_OTHER_FILES = 512
"""Open files besides the connections: model files, logs, libraries, metrics."""
_LOG = logging.getLogger("serving")


@dataclass(frozen=True)
class Options:
    """How a process serves."""

    limits: Limits = field(default_factory=Limits)
    watch: Watch = field(default_factory=Watch)
    drain_seconds: float = 1.0
    """After SIGTERM, how long requests are still taken while readiness is off, so that balancers can react."""
    finish_seconds: float = 20.0
    """After that, how long running requests may take to finish."""


class Server(uvicorn.Server):
    """Uvicorn, but SIGTERM first turns readiness off, and only later closes the socket."""

    def __init__(self, config: uvicorn.Config, app: ServingApp, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._close_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to drain; a second signal ends the process without waiting for running requests."""
        if self._close_at is not None:
            self.force_exit = self.should_exit = True
            return
        self._app.draining = True
        self._close_at = time.monotonic() + (self._drain_seconds if sig == signal.SIGTERM else 0.0)

    async def on_tick(self, counter: int) -> bool:
        """Stop accepting connections when the time to drain is over."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)


def make_server(shelf: Shelf, options: Options) -> Server:
    """Build the server of one process; nothing is loaded and no socket is used yet."""
    metrics = Metrics()
    app = ServingApp(ModelManager(shelf, load_version, metrics, options.watch), metrics, options.limits)
    config = uvicorn.Config(
        app.asgi,
        http=bounded(options.limits, metrics),
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(options.limits.idle_seconds),
        timeout_graceful_shutdown=int(options.finish_seconds),
    )
    return Server(config, app, options.drain_seconds)


def serve(shelf: Shelf, listener: socket.socket, options: Options) -> None:
    """Serve until SIGTERM or SIGINT; MlopsError when the application cannot start."""
    _allow_files(options.limits.connections + _OTHER_FILES)
    server = make_server(shelf, options)
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
