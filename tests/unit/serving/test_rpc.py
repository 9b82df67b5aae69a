"""TensorFlow Serving's own gRPC clients get the numbers that HTTP gives, and the same errors by their codes."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from server_process import Served, serving
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from core.backends import rollout
from core.backends.canary import CanaryPlan, Note
from core.backends.registry import open_registry
from serving.versions.split import Split
from tests.free_port import free_port

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
DTYPES = {"carrier": np.object_, "hour": np.int64, "distance": np.float32, "temp": np.float32}


class Client:
    """TensorFlow Serving's stubs, and the same server over HTTP."""

    def __init__(self, served: Served, channel: grpc.Channel) -> None:
        self.served = served
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)

    def by_http(self, verb: str = "predict", form: str = "instances", rows: int = 1) -> Any:
        status, body = self.served.ask(f"/v1/models/delay:{verb}", json.dumps({form: [ROW] * rows}))
        assert status == 200, body
        return json.loads(body)

    def predict(self, rows: int = 1, name: str = "delay", user: str = "", **changes: Any) -> Any:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        columns = {key: np.array([value] * rows, DTYPES[key]) for key, value in ROW.items()}
        for key, value in {**columns, **changes}.items():
            if value is not None:
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        return self.stub.Predict(request, timeout=30, metadata=(("x-user", user),) if user else ())


@pytest.fixture(scope="module")
def client(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("rpc")
    registry = open_registry(str(home / "models"))
    registry.promote("delay", registry.publish("delay", exported / "a", {}).version)
    port = free_port()
    options = ("--all", "--workers", "2", "--grpc-port", str(port))
    with serving(home, *options) as served:
        served.until(lambda: served.ask("/readyz")[0] == 200)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Client(served, channel)


def test_predict_gives_the_numbers_of_http(client: Client) -> None:
    answer = client.predict(3)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("delay", 1)
    assert answer.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(answer.outputs["predictions"]).tolist() == client.by_http(rows=3)["predictions"]


def test_a_column_of_one_value_a_row_is_taken_and_an_optional_one_may_be_left_out(client: Client) -> None:
    wanted = tf.make_ndarray(client.predict(2).outputs["predictions"]).tolist()
    matrix = client.predict(2, hour=np.full((2, 1), 17, np.int64))
    assert tf.make_ndarray(matrix.outputs["predictions"]).tolist() == wanted
    without = client.predict(temp=None)
    assert tf.make_ndarray(without.outputs["predictions"])[0, 0] < wanted[0][0]
    metrics = client.served.ask("/metrics")[1]
    assert 'mlops_serving_missing_features_total{feature="temp",model="delay"} 1.0' in metrics


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hour": np.array([17], np.int32)}, "inputs.hour: wanted int64, got int32"),
        ({"hour": np.array([b"17"], np.object_)}, "inputs.hour: wanted int64, got string"),
        ({"hour": None}, "inputs: missing input 'hour'"),
        ({"hours": np.array([17], np.int64)}, "inputs: unknown input 'hours'; did you mean 'hour'?"),
        ({"hour": np.array([17, 18], np.int64)}, "rows as in the inputs before it"),
        ({"hour": np.full((1, 2), 17, np.int64)}, "inputs.hour: wanted the shape [-1], got [1, 2]"),
        ({"hour": np.array(17, np.int64)}, "inputs.hour: wanted at least one row"),
    ],
)
def test_what_does_not_fit_is_named(client: Client, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        client.predict(**changes)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in error.value.details()


def test_a_tensor_that_claims_more_values_than_it_has_is_refused(client: Client) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "delay"
    for name, value in ROW.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(np.array([value], DTYPES[name])))
    request.inputs["hour"].tensor_shape.dim[0].size = 2**40
    with pytest.raises(grpc.RpcError) as error:
        client.stub.Predict(request, timeout=30)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "as many values as the shape says" in error.value.details()


def test_an_unknown_model_is_not_found_and_too_many_rows_are_refused(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as error:
        client.predict(name="delays")
    assert error.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as error:
        client.predict(5000)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_classify_and_regress_take_examples(client: Client) -> None:
    from serving.models.savedmodel import serialize

    values = {"carrier": [b"AA"], "hour": [17], "distance": [1089.0], "temp": [55.9]}
    example = tf.train.Example.FromString(serialize([values])[0])
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "delay"
    classify.input.example_list.examples.append(example)
    found = client.stub.Classify(classify, timeout=30).result.classifications[0].classes
    by_http = client.by_http("classify", "examples")["results"][0]
    assert [[one.label, one.score] for one in found] == [[label, pytest.approx(score)] for label, score in by_http]
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name = "delay"
    regress.input.example_list_with_context.examples.append(tf.train.Example())
    regress.input.example_list_with_context.context.CopyFrom(example)
    (number,) = client.stub.Regress(regress, timeout=30).result.regressions
    assert number.value == pytest.approx(client.by_http("regress", "examples")["results"][0])


def test_metadata_and_status_are_those_of_the_version_in_production(client: Client) -> None:
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "delay"
    answer = client.stub.GetModelMetadata(asked, timeout=30)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def["serving_default"].inputs) == set(ROW)
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "delay"
    (version,) = client.models.GetModelStatus(status, timeout=30).model_version_status
    assert (version.version, version.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)


def test_the_token_of_http_holds_for_grpc_too(exported: Path, tmp_path: Path) -> None:
    registry = open_registry(str(tmp_path / "models"))
    registry.promote("delay", registry.publish("delay", exported / "a", {}).version)
    port, token = free_port(), "t" * 32
    environment = {"MLOPS_SERVE_TOKEN": token}
    with serving(tmp_path, "--all", "--workers", "1", "--grpc-port", str(port), environment=environment) as served:
        served.until(lambda: served.ask("/v2/health/ready")[0] == 200)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            asked = get_model_status_pb2.GetModelStatusRequest()
            asked.model_spec.name = "delay"
            for metadata in ((), (("authorization", f"Bearer {token[:-1]}"),)):
                with pytest.raises(grpc.RpcError) as error:
                    stub.GetModelStatus(asked, timeout=30, metadata=metadata)
                assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
            known = stub.GetModelStatus(asked, timeout=30, metadata=(("authorization", f"Bearer {token}"),))
            assert len(known.model_version_status) == 1


def test_a_key_gets_the_same_version_by_grpc_and_by_http(client: Client, exported: Path) -> None:
    registry = open_registry(str(client.served.home / "models"))
    registry.publish("delay", exported / "b", {})
    plan = CanaryPlan(steps=(50.0,), key="header:x-user")
    started = rollout.begin(registry, "delay", 2, plan, Note("me"))
    split = Split.of("delay", started)
    users = [f"user-{number}" for number in range(12)]
    wanted = {user: 2 if split.takes(user.encode()) else 1 for user in users}
    assert set(wanted.values()) == {1, 2}
    of_two = next(user for user in users if wanted[user] == 2)
    client.served.until(lambda: client.predict(user=of_two).model_spec.version.value == 2)
    assert {user: client.predict(user=user).model_spec.version.value for user in users} == wanted
    connection = http.client.HTTPConnection("127.0.0.1", client.served.port, timeout=60)
    for user in users:
        connection.request("POST", "/v1/models/delay:predict", json.dumps({"instances": [ROW]}), {"X-User": user})
        response = connection.getresponse()
        response.read()
        assert int(response.headers["X-Model-Version"]) == wanted[user]
    connection.close()
    registry.rollback("delay")
    client.served.until(lambda: client.predict(user=of_two).model_spec.version.value == 1)


def test_sigterm_lets_a_call_that_runs_end(client: Client) -> None:
    assert client.served.stop() == 0
