"""A worker that is replaced loses its gRPC clients without a failed call."""

import threading
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from server_process import serving
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from core.backends.registry import open_registry
from tests.free_port import free_port

ROW = {"carrier": np.array([b"AA"]), "hour": np.array([17]), "distance": np.array([1089], np.float32)}


class Caller(threading.Thread):
    """Calls one after the other over a connection of its own."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.stop = threading.Event()
        self.answered = 0
        self.failed: list[grpc.RpcError] = []

    def run(self) -> None:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "delay"
        for name, value in ROW.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not self.stop.is_set():
                try:
                    stub.Predict(request, timeout=60)
                    self.answered += 1
                    self.stop.wait(0.2)  # 48 callers are enough for calls at every moment
                except grpc.RpcError as error:
                    self.failed.append(error)


def test_no_call_fails_while_all_workers_are_replaced(exported: Path, tmp_path: Path) -> None:
    registry = open_registry(str(tmp_path / "models"))
    registry.promote("delay", registry.publish("delay", exported / "a", {}).version)
    port = free_port()
    options = ("--all", "--workers", "2", "--grpc-port", str(port), "--recycle-loads", "1", "--recycle-growth", "9")
    with serving(tmp_path, *options) as served:
        served.until(lambda: len(served.workers()) == 2 and served.ask("/readyz")[0] == 200)
        before = set(served.workers())
        callers = [Caller(port) for _ in range(48)]
        for caller in callers:
            caller.start()
        registry.promote("delay", registry.publish("delay", exported / "b", {}).version)  # a load is a reason to leave
        served.until(lambda: len(served.workers()) == 2 and not before & set(served.workers()))
        for caller in callers:
            caller.stop.set()
        for caller in callers:
            caller.join()
    assert not [caller.failed[0].details() for caller in callers if caller.failed]
    assert all(caller.answered for caller in callers)
