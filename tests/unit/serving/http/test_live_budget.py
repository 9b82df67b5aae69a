"""Calls and answers are charged as long as they are in memory, over HTTP and gRPC alike."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from live_server import BODY, PREDICT, ROW, Live, started
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving.http.inference import Answer, Inference
from serving.http.server import Options
from serving.limits import Limits
from serving.versions.manager import Watch
from tests.free_port import free_port

SECONDS = 120
LIMITS = Limits(body_bytes=100_000, memory_bytes=6_400_000)
DTYPES = {"carrier": np.object_, "hour": np.int64, "distance": np.float32, "temp": np.float32}
GRPC_PORT = free_port()


@pytest.fixture(scope="module")
def live(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    options = Options(LIMITS, Watch(seconds=3600), grpc_address=f"127.0.0.1:{GRPC_PORT}")
    with started(options, exported, tmp_path_factory.mktemp("live")) as running:
        yield running


@pytest.fixture(scope="module")
def stub(live: Live) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def call(stub: Any, rows: int = 1) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "delay"
    for name, value in ROW.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(np.array([value] * rows, DTYPES[name])))
    return stub.Predict(request, timeout=SECONDS)


def charged(live: Live) -> int:
    return live.server._app.budget._charged


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_call_that_finds_no_memory_is_unavailable_and_a_later_one_answered(live: Live, stub: Any) -> None:
    with live.server._app.budget.charge() as others:
        others.hold(LIMITS.memory_bytes - LIMITS.body_bytes + 1)
        with pytest.raises(grpc.RpcError, match="too many large requests") as unread:
            call(stub)
        assert unread.value.code() is grpc.StatusCode.UNAVAILABLE, "there is no room to read a message"
        others.hold(LIMITS.memory_bytes - LIMITS.body_bytes)
        with pytest.raises(grpc.RpcError, match="too many large requests") as unparsed:
            call(stub, rows=300)
        assert unparsed.value.code() is grpc.StatusCode.UNAVAILABLE, "there is none to parse it"
        assert len(call(stub).outputs) == 1
    assert len(call(stub, rows=300).outputs) == 1
    until(lambda: charged(live) == 0)


def test_a_call_that_is_cancelled_gives_its_charge_back(live: Live, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    original = live.server._app._endpoint._parts.manager.lease

    def slow(*arguments: Any) -> Any:
        goes_on.wait(SECONDS)
        return original(*arguments)

    monkeypatch.setattr(live.server._app._endpoint._parts.manager, "lease", slow)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "delay"
    running = stub.Predict.future(request, timeout=SECONDS)
    until(lambda: charged(live) > 0)
    running.cancel()
    goes_on.set()
    until(lambda: charged(live) == 0)


def test_an_answer_is_charged_until_its_client_has_read_it(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 5_000_000  # more than the system takes from a server for a client that does not read
    monkeypatch.setattr(Inference, "answer", lambda *_: Answer(1, b"x" * size, {}))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", live.port))
        client.settimeout(SECONDS)
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode() + BODY.encode())
        until(lambda: charged(live) == size)
        status, _ = live.post("x" * 50_000)
        assert status == 503, "the memory is in use"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        received = b""
        while chunk := client.recv(1 << 20):
            received += chunk
    assert received.endswith(b"\r\n\r\n" + b"x" * size)
    until(lambda: charged(live) == 0)
