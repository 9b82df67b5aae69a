"""What clients of TensorFlow Serving, KServe, Vertex AI and Keras send out of habit is answered."""

import base64
from typing import Any

import pytest

from serving.bodies.columns import field_tensors, in_row
from serving.errors import RequestError
from serving.signature import Field
from tests.unit.serving.in_process_server import InProcessServer

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
PREDICT = "/v1/models/delay:predict"


def predict(served: InProcessServer, *rows: dict[str, Any]) -> Any:
    response = served.client.post(PREDICT, json={"instances": rows})
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/models/delay", "/v1/models/delay/versions/2/metadata", "/healthz", "/readyz", "/metrics"],
)
def test_head_is_get_without_the_body(served: InProcessServer, path: str) -> None:
    got, head = served.client.get(path), served.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(("path", "status"), [("/v1/models/nobody", 404), ("/nowhere", 404), (PREDICT, 400)])
def test_head_has_no_body_on_errors_either(served: InProcessServer, path: str, status: int) -> None:
    head = served.client.head(path)
    assert (head.status_code, head.content) == (status, b"")


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/models/delay/", "/healthz/", "/metrics/"])
def test_a_slash_at_the_end_changes_nothing_and_redirects_nowhere(served: InProcessServer, path: str) -> None:
    response = served.client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
    assert response.status_code == 200
    assert "location" not in response.headers
    assert served.client.post(f"{PREDICT}/", json={"instances": [ROW]}).status_code == 200
    assert served.client.get(f"{path}/", follow_redirects=False).status_code in {400, 404}


def test_the_models_are_listed_as_kserve_does_with_their_versions(served: InProcessServer) -> None:
    answer = served.client.get("/v1/models").json()
    assert answer["models"] == ["delay", "foreign"]
    assert answer["champions"] == {"delay": "1", "foreign": "1"}
    assert answer["model_version_status"] == {
        name: served.client.get(f"/v1/models/{name}").json()["model_version_status"] for name in answer["models"]
    }


@pytest.mark.parametrize(("path", "version"), [("delay", "1"), ("delay/versions/2", "2"), ("delay/labels/stable", "1")])
def test_an_answer_names_the_version_that_gave_it(served: InProcessServer, path: str, version: str) -> None:
    response = served.client.post(f"/v1/models/{path}:predict", json={"instances": [ROW]})
    assert response.headers["x-model-version"] == version
    assert served.client.get(f"/v1/models/{path}/metadata").headers["x-model-version"] == version
    assert "x-model-version" not in served.client.get("/v1/models/delay").headers


@pytest.mark.parametrize("given", ["7f3a-1", "req/42:a=b", "x" * 128])
def test_a_request_id_is_taken_over(served: InProcessServer, given: str) -> None:
    response = served.client.post(PREDICT, json={"instances": [ROW]}, headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, 'a" "b', "a{b}", "a b"])
def test_a_request_id_that_could_garble_a_log_is_replaced(served: InProcessServer, given: str) -> None:
    response = served.client.get("/nowhere", headers={"x-request-id": given} if given else {})
    assert len(response.headers["x-request-id"]) == 16
    assert response.headers["x-request-id"] != served.client.get("/nowhere").headers["x-request-id"]


@pytest.mark.parametrize("parameters", [None, {}, {"confidenceThreshold": 0.5}, [1]])
def test_parameters_beside_the_instances_are_ignored(served: InProcessServer, parameters: Any) -> None:
    response = served.client.post(PREDICT, json={"instances": [ROW], "parameters": parameters})
    assert response.json() == {"predictions": predict(served, ROW)}


def test_base64_may_come_without_its_padding(served: InProcessServer) -> None:
    for text in ("A", "AA", "AAA", "AAAA"):
        encoded = base64.b64encode(text.encode()).decode()
        padded, bare = ROW | {"carrier": {"b64": encoded}}, ROW | {"carrier": {"b64": encoded.rstrip("=")}}
        assert predict(served, bare) == predict(served, padded) == predict(served, ROW | {"carrier": text})


def test_a_list_of_one_value_is_that_value(served: InProcessServer) -> None:
    wrapped = {name: [value] for name, value in ROW.items()}
    assert predict(served, wrapped, ROW) == predict(served, ROW) * 2
    absent = {name: value for name, value in ROW.items() if name != "temp"}
    assert predict(served, absent | {"temp": [None]}) == predict(served, absent)
    columns = {name: [[value], value] for name, value in ROW.items()}
    assert served.client.post(PREDICT, json={"inputs": columns}).json() == {"outputs": predict(served, ROW) * 2}
    examples = {"examples": [wrapped, ROW]}
    results = served.client.post("/v1/models/delay:regress", json=examples).json()["results"]
    assert results[0] == results[1] == pytest.approx(predict(served, ROW)[0][0])


@pytest.mark.parametrize("shape", [(None,), (None, 1)])
def test_one_value_may_stand_alone_or_in_a_list_whichever_the_model_has(shape: tuple[int | None, ...]) -> None:
    field = Field("x", "float32", shape)
    fed = field_tensors(field, [1.5, [2.5]], in_row("x"))["x"]
    assert fed.reshape(-1).tolist() == [1.5, 2.5]
    assert fed.shape == (2, *shape[1:])
    with pytest.raises(RequestError, match=r"instances\[0\]\.x: wanted .* got "):
        field_tensors(field, [[1.5, 2.5]], in_row("x"))
