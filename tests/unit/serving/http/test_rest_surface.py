"""What TensorFlow Serving answers is answered in its form; numbers are the model's own."""

import base64
import math
from typing import Any

import pytest

from tests.unit.serving.in_process_server import InProcessServer

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}


def expected(row: dict[str, Any], bias: float) -> float:
    steps = bias + row["hour"] / 24 + row["distance"] / 5000 + (row.get("temp") or 0.0) / 100 + (row["carrier"] == "AA")
    return 1 / (1 + math.exp(-steps))


def example(values: dict[str, Any]) -> str:
    from serving.models.savedmodel import serialize

    return base64.b64encode(serialize([values])[0]).decode()


@pytest.mark.parametrize(
    ("path", "bias"),
    [
        ("delay", -1.0),
        ("delay/labels/champion", -1.0),
        ("delay/labels/stable", -1.0),
        ("delay/versions/1", -1.0),
        ("delay/versions/2", -0.5),
    ],
)
def test_each_way_to_name_a_version_answers_with_that_version(served: InProcessServer, path: str, bias: float) -> None:
    rows = [ROW, ROW | {"hour": 3, "carrier": "ZZ"}]
    response = served.client.post(f"/v1/models/{path}:predict", json={"instances": rows})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"predictions": [[pytest.approx(expected(row, bias), abs=1e-6)] for row in rows]}


def test_rows_and_columns_give_the_same_numbers(served: InProcessServer) -> None:
    rows = [ROW | {"hour": hour} for hour in range(5)]
    columns = {name: [row[name] for row in rows] for name in ROW}
    by_row = served.client.post("/v1/models/delay:predict", json={"instances": rows}).json()["predictions"]
    by_column = served.client.post("/v1/models/delay:predict", json={"inputs": columns}).json()["outputs"]
    assert by_row == by_column
    assert by_row != [by_row[0]] * 5


@pytest.mark.parametrize("absent", [{}, {"temp": None}])
def test_an_optional_feature_may_be_absent_or_null(served: InProcessServer, absent: dict[str, Any]) -> None:
    bare = {name: ROW[name] for name in ("carrier", "hour", "distance")}
    response = served.client.post("/v1/models/delay:predict", json={"instances": [bare | absent, ROW]})
    assert response.json()["predictions"] == [
        [pytest.approx(expected(bare, -1.0), abs=1e-6)],
        [pytest.approx(expected(ROW, -1.0), abs=1e-6)],
    ]
    columns = {name: [ROW[name]] for name in bare} | {name: [value] for name, value in absent.items()}
    response = served.client.post("/v1/models/delay:predict", json={"inputs": columns})
    assert response.json()["outputs"] == [[pytest.approx(expected(bare, -1.0), abs=1e-6)]]


def test_classify_and_regress_answer_in_their_own_forms(served: InProcessServer) -> None:
    examples = [{"hour": 3}, {"hour": 4, "temp": 10}]
    body = {"context": {"carrier": "AA", "distance": 500}, "examples": examples}
    wanted = [expected(body["context"] | row, -1.0) for row in examples]  # type: ignore[operator]
    regressed = served.client.post("/v1/models/delay:regress", json=body).json()
    assert regressed == {"results": [pytest.approx(value, abs=1e-6) for value in wanted]}
    classified = served.client.post("/v1/models/delay:classify", json=body).json()
    assert classified == {
        "results": [
            [["0", pytest.approx(1 - value, abs=1e-6)], ["1", pytest.approx(value, abs=1e-6)]] for value in wanted
        ]
    }


def test_a_model_made_elsewhere_is_served_by_its_signatures(served: InProcessServer) -> None:
    serialized = example({"x": [21.0]})
    for instances in ([{"b64": serialized}], [{"examples": {"b64": serialized}}]):
        response = served.client.post("/v1/models/foreign:predict", json={"instances": instances})
        assert response.json() == {"predictions": [[42.0]]}
    assert served.client.post("/v1/models/foreign:predict", json={"inputs": [{"b64": serialized}]}).json() == {
        "outputs": [[42.0]]
    }
    assert served.client.post("/v1/models/foreign:regress", json={"examples": [{"x": 4.0}, {"x": 5.5}]}).json() == {
        "results": [8.0, 11.0]
    }


def test_several_outputs_come_by_name_and_bytes_as_base64(served: InProcessServer) -> None:
    body = {
        "signature_name": "mixed",
        "instances": [{"matrix": [1, 2.5], "word": "hi"}, {"matrix": [0, 1], "word": {"b64": "/w=="}}],
    }
    response = served.client.post("/v1/models/foreign:predict", json=body)
    words = [base64.b64encode(word).decode() for word in (b"hi!", b"\xff!")]
    assert response.json() == {
        "predictions": [
            {"total": 3.5, "word_bytes": {"b64": words[0]}},
            {"total": 1.0, "word_bytes": {"b64": words[1]}},
        ]
    }
    ragged = {"signature_name": "mixed", "instances": [{"matrix": [1, 2, 3], "word": "hi"}]}
    assert (
        served.client.post("/v1/models/foreign:predict", json=ragged).json()["error"]
        == "instances[0].matrix: wanted shape [2], got [3]"
    )


def test_status_lists_the_versions(served: InProcessServer) -> None:
    def available(version: str) -> dict[str, Any]:
        return {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}

    assert served.client.get("/v1/models/delay").json() == {"model_version_status": [available("2"), available("1")]}
    assert served.client.get("/v1/models/delay/versions/2").json() == {"model_version_status": [available("2")]}
    assert served.client.get("/v1/models/delay/labels/champion").json() == {"model_version_status": [available("1")]}


def test_metadata_is_the_signature(served: InProcessServer) -> None:
    answer = served.client.get("/v1/models/delay/versions/2/metadata").json()
    assert answer["model_spec"] == {"name": "delay", "signature_name": "", "version": "2"}
    definition = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "tensorflow/serving/predict"
    hour = definition["inputs"]["hour"]
    assert (hour["dtype"], hour["tensor_shape"]) == (
        "DT_INT64",
        {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    )
    assert set(definition["outputs"]) == {"predictions"}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "nobody", 404, "Could not find any versions of model nobody"),
        ("GET", "delay/versions/9", 404, "Could not find version 9 of model delay"),
        ("GET", "delay/labels/nightly", 400, "Unrecognized servable version label: nightly"),
        ("POST", "nobody:predict", 404, "Servable not found for request: Latest(nobody)"),
        ("POST", "nobody/versions/9:predict", 404, "Servable not found for request: Specific(nobody, 9)"),
        ("POST", "delay/versions/9:predict", 404, "Servable not found for request: Specific(delay, 9)"),
        ("POST", "delay/labels/nightly:predict", 400, "Unrecognized servable version label: nightly"),
        ("POST", "delay:describe", 400, "Malformed request: POST /v1/models/delay:describe"),
        ("POST", "delay", 400, "Malformed request: POST /v1/models/delay"),
        ("GET", "delay:predict", 400, "Malformed request: GET /v1/models/delay:predict"),
        ("POST", "delay/metadata", 400, "Malformed request: POST /v1/models/delay/metadata"),
        ("GET", "../delay", 404, "Malformed request: GET /v1/delay"),
        ("GET", "..%2fdelay", 400, "Malformed request"),
        ("GET", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", 400, "Malformed request"),
        ("GET", "delay/versions/1%2f..%2f..%2fetc", 400, "Malformed request"),
        *[
            ("GET", f"delay/versions/{version}", 400, "Malformed request")
            for version in ("0", "007", "-1", "1_0", "%20 1", "١", "1e3", "9" * 20, "1%00", "1%0A")
        ],
        ("GET", "delay%00", 400, "Malformed request"),
        ("GET", "délay", 400, "Malformed request"),
    ],
)
def test_a_path_is_one_of_the_known_forms_or_nothing(
    served: InProcessServer, method: str, path: str, status: int, error: str
) -> None:
    response = served.client.request(
        method, f"/v1/models/{path}", json={"instances": [ROW]} if method == "POST" else None
    )
    assert response.status_code == status
    assert error in response.json()["error"]


def test_health_and_metrics(served: InProcessServer) -> None:
    assert served.client.get("/healthz").status_code == 200
    assert served.client.get("/readyz").json() == {"status": "ready"}
    served.client.post(
        "/v1/models/delay/versions/2:predict", json={"instances": [ROW | {"temp": None, "carrier": "ZZ"}]}
    )
    served.client.post("/v1/models/unheard_of:predict", json={})
    text = served.client.get("/metrics").text
    assert "mlops_serving_requests_total" in served.client.get("/monitoring/prometheus/metrics").text
    for line in (
        'mlops_serving_requests_total{code="200",model="delay",verb="predict",version="2"}',
        'mlops_serving_requests_total{code="404",model="",verb="predict",version=""}',
        'mlops_serving_request_seconds_bucket{le="0.005",model="delay",verb="predict"}',
        'mlops_serving_missing_features_total{feature="temp",model="delay"}',
        'mlops_serving_unknown_values_total{feature="carrier",model="delay"}',
        'mlops_serving_loaded{model="delay",version="2"} 1.0',
        'mlops_serving_champion_version{model="delay"} 1.0',
        'mlops_serving_model_age_seconds{model="delay"}',
    ):
        assert line in text
    assert "unheard_of" not in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/modelz/delay", 404),
        ("DELETE", "/v1/models/delay", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_any_other_path_is_refused_in_the_same_form(
    served: InProcessServer, method: str, path: str, status: int
) -> None:
    response = served.client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"].startswith("Malformed request: ")
