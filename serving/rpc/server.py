"""The gRPC server of one process, in the event loop that serves HTTP too."""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from core.errors import MlopsError
from serving.errors import RequestError
from serving.limits import Limits
from serving.memory_budget import MemoryBudget
from serving.rpc.prediction_service import CHARGE, PredictionService


@dataclass(frozen=True)
class Access:
    """Who may call, and over what."""

    accept: Callable[[str], bool] | None = None
    """Whether the `authorization` of a call may call; None lets everyone."""
    pem: Callable[[], tuple[bytes, bytes]] | None = None
    """Returns the certificate with its chain, and its key; asked at every handshake. None: no TLS."""


class Bounds(NamedTuple):
    """How much calls may take."""

    limits: Limits
    budget: MemoryBudget
    """That of HTTP, too."""
    connection_seconds: float
    """After that, a client is asked to connect anew. Connections spread over the workers that way, and a worker that
    no longer listens loses its clients without a failed call: gRPC's own shutdown would cancel those on their way."""


class RpcServer:
    """Answers TensorFlow Serving's gRPC calls; start and stop it in one event loop."""

    def __init__(self, service: PredictionService, bounds: Bounds, access: Access) -> None:
        self._service = service
        self._bounds = bounds
        self._access = access
        self._server: grpc.aio.Server | None = None
        self._port = 0

    async def start(self, address: str) -> int:
        """Listen on `host:port`, beside the other workers, and return the port; MlopsError when it cannot."""
        limits = self._bounds.limits
        options = [
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.max_metadata_size", limits.header_bytes),
            ("grpc.max_connection_idle_ms", int(limits.idle_seconds * 1000)),
            ("grpc.max_connection_age_ms", int(self._bounds.connection_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", int(limits.answer_seconds * 1000)),
        ]
        gates = [_Gate(self._access.accept)] if self._access.accept else []
        self._server = grpc.aio.server(
            interceptors=[*gates, _Meter(self._bounds)], options=options, maximum_concurrent_rpcs=limits.pending
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self._service, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(self._service), self._server)
        try:
            port = self._listen(self._server, address)
        except RuntimeError as error:
            raise MlopsError(f"--grpc-port: cannot listen on {address}: {error}") from None
        await self._server.start()
        self._port = port
        return port

    def _listen(self, server: "grpc.aio.Server", address: str) -> int:
        if self._access.pem is None:
            return int(server.add_insecure_port(address))
        pem = self._access.pem

        def configuration() -> Any:
            certificate, key = pem()
            return grpc.ssl_server_certificate_configuration([(key, certificate)])

        credentials = grpc.dynamic_ssl_server_credentials(configuration(), configuration)
        return int(server.add_secure_port(address, credentials))

    def stop_listening(self) -> None:
        """Accept no more connections, and answer on those that are open until the clients leave them.

        gRPC can only stop listening by its shutdown, which cancels calls that are on their way.
        """
        for end in _sockets(self._port):
            if end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                with suppress(OSError):  # another descriptor of a socket that is shut down already
                    end.shutdown(socket.SHUT_RD)

    def connections(self) -> int:
        """Return how many clients are connected."""
        return sum(_is_connected(end) for end in _sockets(self._port))

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and give running ones some time to end."""
        if self._server is not None:
            await self._server.stop(seconds)


def _sockets(port: int) -> Iterator[socket.socket]:
    """Yield this process's TCP sockets with that port of their own, each as a copy that is closed after its use."""
    for file in Path("/dev/fd").iterdir():
        try:
            if not stat.S_ISSOCK(os.fstat(int(file.name)).st_mode):
                continue
            copy = os.dup(int(file.name))
        except OSError:  # closed meanwhile, as the listing's own descriptor is
            continue
        with socket.socket(fileno=copy) as end:
            if end.family in {socket.AF_INET, socket.AF_INET6} and end.getsockname()[1] == port:
                yield end


def _is_connected(end: socket.socket) -> bool:
    try:
        end.getpeername()
    except OSError:
        return False
    return True


class _Gate(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets only calls with a known token through."""

    def __init__(self, accept: Callable[[str], bool]) -> None:
        self._accept = accept

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:
        """Refuse a call whose `authorization` is not accepted."""
        given = {name: value for name, value in details.invocation_metadata or () if isinstance(value, str)}
        if self._accept(given.get("authorization", "")):
            return await continuation(details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


class _Meter(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Charges each call with the largest message before one is read, and until it has ended."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    async def intercept_service(self, continuation: Callable[..., Awaitable[Any]], details: Any) -> Any:
        """Refuse a call that does not fit."""
        charge = self._bounds.budget.open()
        try:
            charge.hold(self._bounds.limits.body_bytes)
        except RequestError as error:
            return grpc.unary_unary_rpc_method_handler(partial(_refuse_for_now, str(error)))
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: charge.close())  # however the call ends
        CHARGE.set(charge)
        return await continuation(details)


async def _refuse_for_now(message: str, _: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAVAILABLE, message)


async def _refuse(_: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wanted the metadata `authorization: Bearer` and a token")


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    """The half of the service that clients read; versions come from the registry, never by a call."""

    def __init__(self, service: PredictionService) -> None:
        self.GetModelStatus = service.GetModelStatus
