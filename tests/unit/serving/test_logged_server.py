"""`mlops serve --prediction-log`: workers log what they answer, and one that is killed leaves what it had written."""

import http.client
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from server_process import ROW, Served, serving
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_service_pb2_grpc, regression_pb2

from artifacts.prediction_log import keys, names
from artifacts.prediction_log.reader import Counts, LogRow, log_files, rows
from core.backends.registry import open_registry
from tests.free_port import free_port

SECRET = "a secret of the tests"
PREDICT = "/v1/models/delay:predict"


@dataclass
class Logged:
    """A server with two workers that log, and what they logged."""

    served: Served
    grpc_port: int
    folder: Path

    def post(self, path: str, body: Any, request_id: str = "") -> tuple[int, str]:
        """Ask once and return the status and the id in the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60)
        headers = {"Content-Type": "application/json"} | ({"X-Request-Id": request_id} if request_id else {})
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status, response.headers["X-Request-Id"]

    def rows(self, *, unfinished: bool = True) -> dict[str, LogRow]:
        counts = Counts()
        found = {row.key: row for row in rows(log_files(self.folder, unfinished=unfinished), counts)}
        assert len(found) == counts.records, "a row is there twice"
        return found


@pytest.fixture(scope="module")
def logged(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """The model `delay`, whose carrier is to be hashed and whose distance is to be left out."""
    home = tmp_path_factory.mktemp("logged")
    registry = open_registry(str(home / "models"))
    model = home / "model"
    shutil.copytree(exported / "a", model)
    features = json.loads((model / "assets.extra" / "features.json").read_text())
    for feature in features["features"]:
        feature["personal"] = {"carrier": "hash", "distance": "drop"}.get(feature["name"], "no")
    (model / "assets.extra" / "features.json").write_text(json.dumps(features))
    registry.promote("delay", registry.publish("delay", model, {}).version)
    port = free_port()
    workers = ("--all", "--workers", "2", "--grpc-port", str(port))
    options = (*workers, "--prediction-log", "--prediction-log-seconds", "1")
    with serving(home, *options, environment={"MLOPS_PREDICTION_LOG_SECRET": SECRET}) as served:
        served.until(lambda: served.ask("/readyz")[0] == 200)
        yield Logged(served, port, names.log_folder(home, "delay"))


def test_every_way_of_asking_is_logged_with_its_id(logged: Logged) -> None:
    assert logged.post(PREDICT, {"instances": [ROW, {**ROW, "temp": None}]}, "rest") == (200, "rest")
    tensors = [
        {"name": "carrier", "datatype": "BYTES", "shape": [1], "data": ["AA"]},
        {"name": "hour", "datatype": "INT64", "shape": [1], "data": [17]},
        {"name": "distance", "datatype": "FP32", "shape": [1], "data": [1089.0]},
    ]
    assert logged.post("/v2/models/delay/infer", {"inputs": tensors}, "open") == (200, "open")
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "delay"
    for name, kind in {"carrier": np.object_, "hour": np.int64, "distance": np.float32, "temp": np.float32}.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(np.array([ROW[name]], kind)))
    with grpc.insecure_channel(f"127.0.0.1:{logged.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer, call = stub.Predict.with_call(request, timeout=60, metadata=(("x-request-id", "rpc"),))
    assert dict(call.initial_metadata())["x-request-id"] == "rpc"
    assert logged.post(PREDICT, {"instances": [{"hour": 1}]}, "refused")[0] == 400
    logged.served.until(lambda: {"rest/0", "rest/1", "open/0", "rpc/0"} <= logged.rows().keys())
    found = logged.rows()
    carrier = keys.hashed_text(SECRET.encode(), "carrier", b"AA")
    assert found["rest/0"].features == {"carrier": [carrier], "hour": [17], "temp": [pytest.approx(55.9)]}
    assert found["rest/1"].features.keys() == found["open/0"].features.keys() == {"carrier", "hour"}
    predicted = tf.make_ndarray(answer.outputs["predictions"]).reshape(-1).tolist()
    assert found["rpc/0"].outputs == found["rest/0"].outputs == {"prediction": predicted}
    assert found["rpc/0"].features == found["rest/0"].features
    assert {row.version for row in found.values()} == {1}
    assert not any(key.startswith("refused") for key in found)


def test_answers_to_examples_are_logged_as_those_to_tensors_are(logged: Logged) -> None:
    given = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
    for verb in ("classify", "regress"):
        assert logged.post(f"/v1/models/delay:{verb}", {"examples": [given, given]}, verb) == (200, verb)
    example = tf.train.Example()
    example.features.feature["carrier"].bytes_list.value.append(b"AA")
    example.features.feature["hour"].int64_list.value.append(17)
    example.features.feature["distance"].float_list.value.append(1089.0)
    example.features.feature["temp"].float_list.value.append(55.9)
    with grpc.insecure_channel(f"127.0.0.1:{logged.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for method, request in (
            (stub.Classify, classification_pb2.ClassificationRequest()),
            (stub.Regress, regression_pb2.RegressionRequest()),
        ):
            request.model_spec.name = "delay"
            request.input.example_list.examples.append(example)
            given_id = type(request).__name__
            _, call = method.with_call(request, timeout=60, metadata=(("x-request-id", given_id),))
            assert dict(call.initial_metadata())["x-request-id"] == given_id
    wanted = {f"{verb}/{row}" for verb in ("classify", "regress") for row in (0, 1)}
    wanted |= {"ClassificationRequest/0", "RegressionRequest/0"}
    logged.served.until(lambda: wanted <= logged.rows().keys())
    found = logged.rows()
    carrier = keys.hashed_text(SECRET.encode(), "carrier", b"AA")
    for key in wanted:
        assert found[key].features == {"carrier": [carrier], "hour": [17], "temp": [pytest.approx(55.9)]}
    assert found["classify/1"].outputs == found["ClassificationRequest/0"].outputs
    assert found["regress/1"].outputs == found["RegressionRequest/0"].outputs
    assert found["classify/0"].outputs.keys() >= {"prediction"}
    assert found["regress/0"].outputs.keys() == {"prediction"}


def test_an_id_that_could_garble_a_log_is_replaced(logged: Logged) -> None:
    for given in ("with space", "x" * 129, 'quo"te'):
        status, taken = logged.post(PREDICT, {"instances": [ROW]}, given)
        assert status == 200
        assert taken != given
        assert len(taken) == 16


def test_killed_workers_leave_every_row_that_was_written_and_their_files_are_finished(logged: Logged) -> None:
    for at in range(40):
        assert logged.post(PREDICT, {"instances": [ROW]}, f"before-{at}")[0] == 200
    wanted = {f"before-{at}/0" for at in range(40)}
    logged.served.until(lambda: wanted <= logged.rows().keys())
    for pid in logged.served.children():
        os.kill(pid, signal.SIGKILL)
    assert wanted <= logged.rows().keys()

    def answers() -> bool:
        try:
            return logged.post(PREDICT, {"instances": [ROW]})[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def finished() -> bool:
        return answers() and wanted <= logged.rows(unfinished=False).keys()

    logged.served.until(finished)


def test_a_stopped_server_has_written_everything_and_metrics_count_it(logged: Logged) -> None:
    for at in range(20):
        assert logged.post(PREDICT, {"instances": [ROW]}, f"last-{at}")[0] == 200
    wanted = {f"last-{at}/0" for at in range(20)}
    logged.served.until(lambda: wanted <= logged.rows().keys())
    assert 'prediction_log_rows_total{model="delay"}' in logged.served.ask("/metrics")[1]
    assert logged.post(PREDICT, {"instances": [ROW]}, "very-last")[0] == 200
    assert logged.served.stop() == 0
    finished = logged.rows(unfinished=False)
    assert {*wanted, "very-last/0"} <= finished.keys()
    assert not list(logged.folder.rglob("*.columns"))
