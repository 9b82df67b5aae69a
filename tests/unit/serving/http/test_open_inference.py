"""The Open Inference Protocol gives the same numbers as TensorFlow Serving's, and names what does not fit."""

from typing import Any

import pytest

from tests.unit.serving.in_process_server import InProcessServer

INFER = "/v2/models/delay/infer"
ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
DATATYPES = {"carrier": "BYTES", "hour": "INT64", "distance": "FP32", "temp": "FP32"}


def request(rows: int = 1, **changes: Any) -> dict[str, Any]:
    """Rows of one feature per tensor; `carrier={...}` changes that tensor, and `carrier=None` leaves it out."""
    tensors = {
        name: {"name": name, "datatype": DATATYPES[name], "shape": [rows], "data": [value] * rows}
        for name, value in ROW.items()
    }
    for name, change in changes.items():
        tensors = {**tensors, name: {**tensors[name], **change}} if change else {**tensors, name: {}}
    return {"inputs": [tensor for tensor in tensors.values() if tensor]}


def test_the_numbers_are_those_of_predict(served: InProcessServer) -> None:
    answer = served.client.post(INFER, json={"id": "a-7", **request(2)})
    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == "1"
    predicted = served.client.post("/v1/models/delay:predict", json={"instances": [ROW, ROW]}).json()["predictions"]
    assert answer.json() == {
        "model_name": "delay",
        "model_version": "1",
        "id": "a-7",
        "outputs": [
            {"name": "predictions", "datatype": "FP32", "shape": [2, 1], "data": [row[0] for row in predicted]}
        ],
    }


def test_a_version_is_asked_by_its_number(served: InProcessServer) -> None:
    answers = [served.client.post(f"/v2/models/delay/versions/{at}/infer", json=request()).json() for at in (1, 2)]
    assert [answer["model_version"] for answer in answers] == ["1", "2"]
    assert answers[0]["outputs"] != answers[1]["outputs"]


@pytest.mark.parametrize(
    "form",
    [
        {"shape": [2, 1], "data": [17, 17]},
        {"shape": [2, 1], "data": [[17], [17]]},
        {"shape": [2], "data": [17, 17], "datatype": "INT32"},
        {"shape": [2], "data": [17, 17], "parameters": {"content_type": "np"}},
    ],
)
def test_what_clients_make_of_a_column_is_taken(served: InProcessServer, form: dict[str, Any]) -> None:
    assert served.client.post(INFER, json=request(2, hour=form)).json() == served.client.post(
        INFER, json=request(2)
    ).json()  # fmt: skip


def test_an_optional_feature_may_be_left_out_or_null(served: InProcessServer) -> None:
    bare = {name: value for name, value in ROW.items() if name != "temp"}
    wanted = served.client.post("/v1/models/delay:predict", json={"instances": [bare]}).json()["predictions"][0]
    for change in ({}, {"data": [None]}):
        assert served.client.post(INFER, json=request(temp=change)).json()["outputs"][0]["data"] == wanted


def test_only_the_outputs_asked_for_are_given(served: InProcessServer) -> None:
    answer = served.client.post(INFER, json={**request(), "outputs": [{"name": "predictions"}]})
    assert [output["name"] for output in answer.json()["outputs"]] == ["predictions"]
    answer = served.client.post(INFER, json={**request(), "outputs": [{"name": "prediction"}]})
    assert answer.status_code == 400
    assert "did you mean 'predictions'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the request: wanted an object"),
        ({"instances": []}, "the request: unknown key 'instances'"),
        ({"inputs": []}, "inputs: wanted a list of tensors"),
        ({"id": 5, **request()}, "id: wanted a string, got 5"),
        (request(hour={"name": "hours"}), "inputs[1].name: got the string 'hours', which is no input; did you mean"),
        (request(hour={"datatype": "BYTES"}), "inputs[1].datatype: wanted INT64 for 'hour', got the string 'BYTES'"),
        (request(hour={"datatype": None}), "inputs[1].datatype: wanted INT64 for 'hour', got None"),
        (request(hour={"shape": [-1]}), "inputs[1].shape: wanted a list of positive integers"),
        (request(hour={"shape": [True]}), "inputs[1].shape: wanted a list of positive integers"),
        (request(hour={"shape": [1] * 33}), "inputs[1].shape: wanted a list of positive integers"),
        (request(hour={"shape": [2]}), "inputs[1].data: wanted 2 values as the shape says, got 1"),
        (request(hour={"data": 17}), "inputs[1].data: wanted a list, got 17"),
        (request(hour={"data": ["17"]}), "inputs.hour[0]: wanted an integer that int64 holds, got the string '17'"),
        (request(hour={"shape": [2], "data": [1, 2]}), "wanted 1 values as in inputs.carrier, got 2"),
        (request(hour={}) | {"inputs": request()["inputs"][:1]}, "missing feature 'distance'"),
        ({"inputs": request()["inputs"] * 2}, "inputs[4]: the input 'carrier' is there twice"),
        (
            request(hour={"parameters": {"binary_data_size": 8}}),
            "inputs[1].parameters: this server takes and gives data as JSON",
        ),
        ({**request(), "parameters": {"binary_data_output": True}}, "leave the binary extension out"),
        (request(5000), "wanted at most"),
    ],
)
def test_what_does_not_fit_is_named(served: InProcessServer, body: Any, message: str) -> None:
    answer = served.client.post(INFER, json=body)
    assert answer.status_code in {400, 413}
    assert message in answer.json()["error"]


def test_health_and_descriptions_are_as_clients_of_the_protocol_expect(served: InProcessServer) -> None:
    def get(path: str) -> Any:
        answer = served.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert get("/v2") == {"name": "ml-in-production", "version": "2", "extensions": []}
    assert get("/v2/health/live") == {"live": True}
    assert get("/v2/health/ready") == {"ready": True}
    assert get("/v2/models/delay/ready") == {"name": "delay", "ready": True}
    assert get("/v2/models/delay/versions/2/ready") == {"name": "delay", "ready": True}
    described = get("/v2/models/delay")
    assert (described["name"], described["versions"], described["platform"]) == (
        "delay",
        ["1", "2"],
        "tensorflow_savedmodel",
    )
    assert {one["name"]: one["datatype"] for one in described["inputs"]} == DATATYPES
    assert described["outputs"] == [{"name": "predictions", "datatype": "FP32", "shape": [-1, 1]}]


@pytest.mark.parametrize("path", ["/v2/models/delays", "/v2/models/delays/ready", "/v2/models/delay/versions/9/ready"])
def test_an_unknown_model_or_version_is_404(served: InProcessServer, path: str) -> None:
    assert served.client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/v2/models/../infer", "/v2/models/delay/inferr", "/v2/models/delay/infer/x"])
def test_a_path_that_is_none_of_the_protocols_is_an_error_in_its_form(served: InProcessServer, path: str) -> None:
    answer = served.client.post(path, json=request())
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]
