"""The gRPC server of one process, in the event loop that serves HTTP too."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from core.errors import MlopsError
from serving.limits import Limits
from serving.rpc.prediction_service import PredictionService

_COPIES = 8
"""Times that a message may be in memory: received, parsed, as arrays, in TensorFlow."""


@dataclass(frozen=True)
class Access:
    """Who may call, and over what."""

    accept: Callable[[str], bool] | None = None
    """Whether the `authorization` of a call may call; None lets everyone."""
    certificate: bytes = b""
    """Certificate with its chain, as PEM; empty: no TLS."""
    key: bytes = b""


class RpcServer:
    """Answers TensorFlow Serving's gRPC calls; start and stop it in one event loop."""

    def __init__(self, service: PredictionService, limits: Limits, access: Access) -> None:
        self._service = service
        self._limits = limits
        self._access = access
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> int:
        """Listen on `host:port`, beside the other workers, and return the port; MlopsError when it cannot."""
        limits = self._limits
        options = [
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.max_metadata_size", limits.header_bytes),
            ("grpc.max_connection_idle_ms", int(limits.idle_seconds * 1000)),
        ]
        most = max(1, limits.memory_bytes // (limits.body_bytes * _COPIES))
        gates = [_Gate(self._access.accept)] if self._access.accept else []
        self._server = grpc.aio.server(
            interceptors=gates, options=options, maximum_concurrent_rpcs=min(most, limits.pending)
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self._service, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(self._service), self._server)
        try:
            port = self._listen(self._server, address)
        except RuntimeError as error:
            raise MlopsError(f"--grpc-port: cannot listen on {address}: {error}") from None
        await self._server.start()
        return port

    def _listen(self, server: "grpc.aio.Server", address: str) -> int:
        access = self._access
        if not access.certificate:
            return int(server.add_insecure_port(address))
        credentials = grpc.ssl_server_credentials([(access.key, access.certificate)])
        return int(server.add_secure_port(address, credentials))

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and give running ones some time to end."""
        if self._server is not None:
            await self._server.stop(seconds)


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


async def _refuse(_: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wanted the metadata `authorization: Bearer` and a token")


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    """The half of the service that clients read; versions come from the registry, never by a call."""

    def __init__(self, service: PredictionService) -> None:
        self.GetModelStatus = service.GetModelStatus
