"""The page and the OpenAPI document say what a row holds, and the example in them is answered."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifacts.model.names import WARM_UP_ROWS
from tests.unit.serving.in_process_server import InProcessServer

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}


@pytest.fixture
def document(served: InProcessServer) -> dict[str, Any]:
    (rows,) = (Path(served.root) / "delay" / "1").glob("saved_model.pb")
    example = rows.parent / WARM_UP_ROWS
    example.parent.mkdir(exist_ok=True)
    example.write_text(json.dumps(ROW) + "\n")
    answer = served.client.get("/v1/models/delay/openapi.json")
    assert answer.status_code == 200
    described: dict[str, Any] = answer.json()
    return described


def test_a_row_is_described_by_the_features(document: dict[str, Any]) -> None:
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == ["carrier", "distance", "hour"]
    assert {name: value["type"] for name, value in row["properties"].items()} == {
        "carrier": "string",
        "hour": "integer",
        "distance": "number",
        "temp": "number",
    }
    assert row["properties"]["carrier"]["examples"] == ["AA", "UA"]


def test_the_example_row_is_answered_by_every_path_of_the_document(
    served: InProcessServer, document: dict[str, Any]
) -> None:
    (example,) = document["components"]["schemas"]["Row"]["examples"]
    assert example == ROW
    assert set(document["paths"]) >= {"/v1/models/delay:predict", "/v1/models/delay:classify"}
    for path, operations in document["paths"].items():
        (form,) = operations["post"]["requestBody"]["content"]["application/json"]["schema"]["required"]
        assert served.client.post(path, json={form: [example]}).status_code == 200, path


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for name in ("Row", "Error"):
        assert f'"#/components/schemas/{name}"' in text
        assert name in document["components"]["schemas"]


def test_a_model_that_takes_records_is_described_without_rows(served: InProcessServer) -> None:
    answer = served.client.get("/v1/models/foreign/openapi.json")
    assert answer.status_code == 200
    assert "/v1/models/foreign:predict" not in answer.json()["paths"]


def test_the_page_runs_no_script_but_its_own(served: InProcessServer) -> None:
    answer = served.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy
    assert "://" not in answer.text
    assert " style=" not in answer.text
