"""`:explain` answers as KServe does: explanations that add up, within the same caps as predictions."""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.errors import MlopsError, UsageError
from mlops.actions.explained_row import explain_row
from pipelines.config import find, load
from serving.errors import ModelError, RequestError
from serving.http.app import ServingApp
from serving.limits import Limits
from serving.metrics import Metrics
from serving.models.explainer import Explainer
from serving.models.savedmodel import SavedModel
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import RegistryShelf

LIMITS = Limits(body_bytes=200_000, rows=64, depth=20, explain_rows=3)
ROW = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
BACKGROUND = [
    {"carrier": "UA", "hour": 6, "distance": 500.0},
    {"carrier": "AA", "hour": 12, "distance": 800.0, "temp": 20.0},
    {"carrier": "ZZ", "hour": 17, "distance": 2000.0, "temp": 80.0},
]
PAIRS = [{"x": 0.0, "y": 1.0}, {"x": 1.0, "y": 0.0}]


def with_background(saved_model: Path, folder: Path, rows: list[dict[str, Any]]) -> Path:
    shutil.copytree(saved_model, folder)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "assets.extra" / "background_rows.jsonl").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def models(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each model; `odd` has background rows of another schema."""
    import explained_models as made

    folder = tmp_path_factory.mktemp("models")
    with_background(exported / "a", folder / "delay", BACKGROUND)
    with_background(exported / "a", folder / "odd", [{"carrier": "AA", "hour": "noon", "distance": 1.0}])
    made.export(folder / "spam", made.Spam(), made.TEXT, [{"text": "see you"}, {"text": "free"}])
    dark = {"image": {"b64": base64.b64encode(made.png(np.zeros((4, 4)))).decode()}}
    made.export(folder / "bright", made.Bright(), made.IMAGE, [dark])
    made.export(folder / "chance", made.Pair(noise=0.1), made.PAIR, PAIRS)
    for name, module in (("own", made.Pair()), ("wrong", made.Pair(wrong=0.01))):
        signatures = {"serving_default": module.serve, "explain": module.explain}
        made.export(folder / name, module, made.PAIR, (), **signatures)
    module = made.Pair()
    made.export(folder / "examples", module, made.PAIR, PAIRS, serving_default=module.serve_examples)
    return folder


@pytest.fixture(scope="module")
def client(models: Path, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from core.backends.registry import open_registry

    root = tmp_path_factory.mktemp("registry")
    registry = open_registry(str(root))
    for folder in (*sorted(models.iterdir()), exported / "b"):
        registry.promote(folder.name, registry.publish(folder.name, folder, {}).version)
    metrics = Metrics()
    manager = ModelManager(RegistryShelf(root), load_version, metrics, Watch(seconds=3600))
    manager.poll()
    with TestClient(ServingApp(manager, metrics, LIMITS).asgi, raise_server_exceptions=False) as client:
        yield client


def asked(client: TestClient, model: str, *rows: Any, status: int = 200) -> Any:
    answer = client.post(f"/v1/models/{model}:explain", json={"instances": list(rows)})
    assert answer.status_code == status, answer.text
    return answer.json()


def total(explanation: Any) -> float:
    return float(explanation["base"] + sum(explanation["attributions"].values()))


def test_base_and_attributions_are_the_prediction(client: TestClient) -> None:
    other = {"carrier": "UA", "hour": 3, "distance": 2000.0}
    answer = asked(client, "delay", ROW, other)
    predicted = client.post("/v1/models/delay:predict", json={"instances": [ROW, other]}).json()
    assert answer["predictions"] == pytest.approx(np.array(predicted["predictions"]), abs=1e-7)
    for explanation, (prediction,) in zip(answer["explanations"], predicted["predictions"], strict=True):
        assert total(explanation) == pytest.approx(prediction, abs=1e-6)
        assert explanation["residual"] <= 1e-6
        assert explanation["method"] == "exact"
        assert explanation["attributions"].keys() == ROW.keys()
    first, second = answer["explanations"]
    assert first["attributions"]["carrier"] > 0.1  # AA adds 1 to the steps: a category's effect is found
    assert second["attributions"]["carrier"] < 0
    assert asked(client, "delay", ROW)["explanations"] == [first]


def test_columns_are_explained_as_rows_are(client: TestClient) -> None:
    columns = {name: [value] for name, value in ROW.items()}
    answer = client.post("/v1/models/delay:explain", json={"inputs": columns})
    assert answer.json() == asked(client, "delay", ROW)


@pytest.mark.parametrize(
    ("model", "rows", "status", "says"),
    [
        ("delay", [ROW] * 4, 413, "wanted at most 3 rows"),
        ("delay", [{**ROW, "hour": "noon"}], 400, "instances[0].hour"),
        ("delay", [{"carrier": "AA"}], 400, "missing feature"),
        ("delay", [{**ROW, "distance": 1e31}], 500, "not finite"),
        ("b", [ROW], 501, "background rows, which training writes, got none"),
        ("odd", [ROW], 501, "row [0].hour"),
        ("nobody", [ROW], 404, "not found"),
        ("wrong", [{"x": 2.0, "y": 3.0}], 500, "differ from the prediction"),
        ("chance", [{"x": 2.0, "y": 3.0}], 500, "depend on more than the row"),
    ],
)
def test_what_cannot_be_explained_says_why(
    client: TestClient, model: str, rows: list[Any], status: int, says: str
) -> None:
    answer = asked(client, model, *rows, status=status)
    assert says in answer["error"]
    assert "/" not in answer["error"].split("assets.extra")[0]  # no path of the server's files


def test_a_version_without_explanations_still_predicts(client: TestClient) -> None:
    for model in ("b", "odd"):
        assert client.post(f"/v1/models/{model}:predict", json={"instances": [ROW]}).status_code == 200


def test_a_text_is_explained_by_its_words(client: TestClient) -> None:
    (found,) = asked(client, "spam", {"text": "a free prize for you"})["explanations"]
    words = dict(found["words"]["text"])
    assert words == pytest.approx({"a": 0, "free": 0.55, "prize": 0.35, "for": 0, "you": 0}, abs=1e-6)
    assert found["base"] == pytest.approx(0.1)
    assert found["attributions"] == pytest.approx({"text": 0.9})


def test_an_image_is_explained_by_its_cells(client: TestClient) -> None:
    import explained_models as made

    pixels = np.zeros((4, 4))
    pixels[3, 3] = 255
    content = {"b64": base64.b64encode(made.png(pixels)).decode()}
    (found,) = asked(client, "bright", {"image": content})["explanations"]
    assert found["output"] == 1
    cells = np.array(found["cells"]["image"])
    assert cells.shape == (4, 4)
    assert cells[3, 3] == pytest.approx(1.0)
    assert np.count_nonzero(cells) == 1


def test_a_model_may_explain_itself(client: TestClient) -> None:
    (found,) = asked(client, "own", {"x": 2.0, "y": 3.0})["explanations"]
    assert found["attributions"] == {"x": 3.0, "y": 3.0}
    assert found["method"] == "signature"


def test_serialized_examples_are_explained(client: TestClient) -> None:
    from serving.models.savedmodel import serialize

    (record,) = serialize([{"x": [2.0], "y": [3.0]}])
    (found,) = asked(client, "examples", {"b64": base64.b64encode(record).decode()})["explanations"]
    assert found["attributions"] == pytest.approx({"x": 2.75, "y": 3.25})
    answer = asked(client, "examples", {"b64": base64.b64encode(b"none").decode()}, status=400)
    assert "tf.Example" in answer["error"]


def test_requests_are_counted_and_described(client: TestClient) -> None:
    asked(client, "delay", ROW)
    asked(client, "wrong", {"x": 1.0, "y": 1.0}, status=500)
    text = client.get("/metrics").text
    assert 'verb="explain"' in text
    assert 'mlops_serving_incomplete_explanations_total{model="wrong",version="1"}' in text
    document = client.get("/v1/models/delay/openapi.json").json()
    assert "/v1/models/delay:explain" in document["paths"]
    assert "/v1/models/b:explain" not in client.get("/v1/models/b/openapi.json").json()["paths"]


def test_a_computation_stops_at_its_deadline(models: Path) -> None:
    explainer = Explainer(SavedModel(models / "delay"))
    fed = {
        "carrier": np.array([b"AA"], object),
        "hour": np.array([17]),
        "distance": np.array([1089.0], np.float32),
        "temp": np.array([55.9], np.float32),
    }

    def check() -> None:
        raise RequestError(504, "DEADLINE_EXCEEDED", "too long")

    with pytest.raises(RequestError, match="too long"):
        explainer.explain(fed, check)


def test_background_rows_of_another_schema_are_named(exported: Path) -> None:
    with pytest.raises(ModelError, match=r"background_rows.jsonl: wanted rows of the model's features.*humidity"):
        Explainer(SavedModel(exported / "a"), [{**ROW, "humidity": 0.5}])


def test_explanations_do_not_count_for_a_canary(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(*_: Any) -> Any:
        raise AssertionError("an explanation takes longer than a prediction, and would make any canary look slow")

    monkeypatch.setattr("serving.http.inference.counted", counted)
    asked(client, "delay", ROW)


def test_a_row_of_a_file_is_explained_as_its_server_does(tmp_path: Path) -> None:
    import explained_models as made

    usecase = load(find("spam"))
    saved_model = made.export(tmp_path / "model", made.Spam(), made.TEXT, [{"text": "see you"}])
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "see you"}\n{"text": "a free prize"}\n')
    found = explain_row(usecase, saved_model, rows, 2)
    assert dict(found.facts["words"]["text"]) == pytest.approx({"a": 0, "free": 0.55, "prize": 0.35}, abs=1e-6)
    assert found.values == {"text": "a free prize"}
    with pytest.raises(UsageError, match=r"--row 3: wanted a row of .*rows.jsonl, which has 2"):
        explain_row(usecase, saved_model, rows, 3)
    (saved_model / "assets.extra" / "background_rows.jsonl").unlink()
    with pytest.raises(MlopsError, match="background rows"):
        explain_row(usecase, saved_model, rows, 1)
