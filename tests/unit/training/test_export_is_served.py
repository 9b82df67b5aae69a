"""Exported models are served as their schema says: any name, lists, vectors, bytes, and distinct missing values."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from google.protobuf import text_format
from starlette.testclient import TestClient
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.model.features import Features
from artifacts.model.names import WARM_UP_ROWS
from artifacts.model.rows import write_rows
from components.validate_infra.sent_rows import SentRows
from serving.http.app import ServingApp
from serving.limits import Limits
from serving.metrics import Metrics
from serving.models.bulk import Bulk, only_values
from serving.models.json_lines import Line, predict_lines
from serving.models.savedmodel import SavedModel, serialize
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager
from serving.versions.shelf import SavedModelShelf
from training import export
from training.meanwhile import meanwhile
from training.raw_features import raw_features

SCHEMA = text_format.Parse(
    """
    feature { name: "petal length (cm)" type: FLOAT shape { dim { size: 1 } } }
    feature { name: "class" type: INT value_count { min: 1 max: 1 } }
    feature { name: "größe" type: BYTES value_count { max: 1 } }
    feature { name: "v" type: FLOAT shape { dim { size: 4 } } }
    feature { name: "five" type: BYTES shape { dim { size: 2 } } domain: "letters" }
    feature { name: "tags" type: BYTES value_count { min: 0 max: 9 } }
    feature { name: "y" type: INT shape { dim { size: 1 } } }
    string_domain { name: "letters" value: "a" value: "b" }
    """,
    schema_pb2.Schema(),
)
ROW: dict[str, Any] = {"petal length (cm)": 0.0, "v": [0, 0, 0, 0], "five": ["a", "b"]}
ROWS: list[tuple[dict[str, Any], float]] = [
    (ROW, 0.0),
    (ROW | {"petal length (cm)": 2.5}, 2.5),
    (ROW | {"v": [1, 2, 3, 4]}, 30.0),
    (ROW | {"class": -1}, 99.0),
    (ROW | {"class": None}, 0.0),
    (ROW | {"class": -(2**63)}, 1e4),
    (ROW | {"größe": ""}, 1e3),
    (ROW | {"größe": None}, 0.0),
    (ROW | {"tags": []}, 0.0),
    (ROW | {"tags": ["x"]}, 1e5),
    (ROW | {"tags": "x"}, 1e5),
    (ROW | {"tags": ["", "x", ""]}, 3e5),
    (ROW | {"tags": [{"b64": base64.b64encode(b"\xff\xd8\x00").decode()}]}, 1e5 + 1e6),
    (ROW | {"five": ["b", "zz"]}, 1e-3),
]
"""Rows, and what the model must answer: each feature has a range of digits of its own."""


def _transform(raw: Any) -> dict[str, Any]:
    """Tell from the sum which values arrived."""
    number = raw["class"]
    dense = tf.sparse.to_dense(number)[:, :1]
    has_class = tf.cast(tf.sparse.to_dense(tf.sparse.map_values(tf.ones_like, number)) > 0, tf.float32)[:, :1]
    has_size = tf.cast(tf.sparse.to_dense(tf.sparse.map_values(tf.strings.length, raw["größe"]), -1) >= 0, tf.float32)
    least = tf.cast(tf.equal(dense, tf.int64.min), tf.float32)
    tags = tf.sparse.map_values(
        lambda values: tf.cast(tf.equal(values, b"\xff\xd8\x00"), tf.float32) * 1e6 + 1e5, raw["tags"]
    )
    total = (
        raw["petal length (cm)"]
        + raw["v"] @ tf.constant([[1.0], [2.0], [3.0], [4.0]])
        + has_class * (1.0 - least) * (100.0 + tf.cast(dense, tf.float32))
        + least * 1e4
        + has_size[:, :1] * 1e3
        + tf.sparse.reduce_sum(tags, axis=1, keepdims=True)
        + tf.cast(tf.equal(raw["five"][:, 1:], "zz"), tf.float32) * 1e-3
    )
    return {"total": tf.ensure_shape(total, [None, 1])}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    total = keras.Input((1,), name="total")
    model = keras.Model({"total": total}, keras.layers.Rescaling(1.0)(total))
    raw = raw_features(SCHEMA, "y")
    export.export(model, _transform, raw, export.Answer("regression"), folder)
    Features(tuple(one.feature for one in raw), "y", "regression").write(folder)
    write_rows(folder / WARM_UP_ROWS, [ROW, ROW | {"tags": ["x", "y"]}])
    return folder


@pytest.fixture(scope="module")
def client(exported: Path) -> Iterator[TestClient]:
    metrics = Metrics()
    manager = ModelManager(SavedModelShelf("m", exported), load_version, metrics)
    with TestClient(ServingApp(manager, metrics, Limits()).asgi) as client:
        yield client


@pytest.mark.parametrize(
    ("row", "wanted"), ROWS, ids=[json.dumps({k: v for k, v in r.items() if ROW.get(k) != v}) for r, _ in ROWS]
)
def test_each_value_arrives_as_it_is(client: TestClient, row: dict[str, Any], wanted: float) -> None:
    answers = [
        client.post("/v1/models/m:predict", json={"instances": [row]}).json().get("predictions", [[None]])[0][0],
        client.post("/v1/models/m:predict", json={"inputs": {k: [v] for k, v in row.items()}}).json()["outputs"][0][0],
        client.post("/v1/models/m:regress", json={"examples": [row]}).json()["results"][0],
    ]
    assert answers == [pytest.approx(wanted, rel=1e-6)] * 3


def test_rows_of_different_lengths_are_one_request_and_one_file(client: TestClient, exported: Path) -> None:
    rows = [row for row, _ in ROWS]
    wanted = [pytest.approx(number, rel=1e-6) for _, number in ROWS]
    answer = client.post("/v1/models/m:predict", json={"instances": rows}).json()
    assert [one for (one,) in answer["predictions"]] == wanted
    model = SavedModel(exported)
    assert model.features is not None
    lines = [Line(number, row) for number, row in enumerate(rows, 1)]
    outputs = predict_lines(Bulk(model, model.features), Path("rows.jsonl"), lines)
    assert [one for (one,) in only_values(outputs)] == wanted


def test_the_tensors_are_what_a_client_of_tensorflow_servings_binary_sends(exported: Path) -> None:
    model = SavedModel(exported)
    sent = SentRows(model.features, takes_examples=False, wants_tensors=True).instances([row for row, _ in ROWS])
    call = tf.saved_model.load(str(exported)).signatures["serving_default"]
    specs = call.structured_input_signature[1]
    assert all(set(instance) == set(specs) for instance in sent)
    decoded = json.loads(json.dumps(sent), object_hook=lambda o: base64.b64decode(o["b64"]) if set(o) == {"b64"} else o)
    fed = {name: tf.constant([instance[name] for instance in decoded], spec.dtype) for name, spec in specs.items()}
    got = call(**fed)["predictions"].numpy()[:, 0].tolist()
    assert got == [pytest.approx(number, rel=1e-6) for _, number in ROWS]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"tags": ["a", None]},
            "instances[0].tags[1]: wanted a string, got null; omit missing values from the list",
        ),
        ({"tags": ["a", 5]}, "instances[0].tags[1]: wanted a string, got 5"),
        ({"v": [1, 2, 3]}, "instances[0].v: wanted shape [4], got [3]"),
        ({"class": [1, 2]}, "instances[0].class: wanted an integer that int64 holds, got a list"),
        ({"five": None}, "instances[0].five: wanted a string, got null; this feature is required"),
        ({"grösse": "x"}, "instances[0]: unknown feature 'gr\\xf6sse'; did you mean 'größe'?"),
    ],
)
def test_what_does_not_fit_is_named_as_the_client_names_it(
    client: TestClient, change: dict[str, Any], error: str
) -> None:
    response = client.post("/v1/models/m:predict", json={"instances": [ROW | change]})
    assert (response.status_code, response.json()["error"]) == (400, error)


def test_categories_are_counted_in_lists_too(client: TestClient) -> None:
    client.post("/v1/models/m:predict", json={"instances": [ROW | {"five": ["zz", "yy"]}]})
    text = client.get("/metrics").text
    assert 'mlops_serving_unknown_values_total{feature="five",model="m"}' in text
    assert 'mlops_serving_missing_features_total{feature="tags",model="m"}' in text


def test_the_warm_up_asks_real_rows_and_names_one_that_is_refused(exported: Path, tmp_path: Path) -> None:
    import shutil

    from serving.errors import ModelError
    from serving.versions.shelf import Verified

    copy = shutil.copytree(exported, tmp_path / "copy")
    load_version(Verified(copy, None)).close()
    write_rows(copy / WARM_UP_ROWS, [ROW | {"v": [1]}])
    with pytest.raises(ModelError, match=r"instances\[0\].v: wanted shape \[4\]"):
        load_version(Verified(copy, None))
    (copy / WARM_UP_ROWS).unlink()
    load_version(Verified(copy, None)).close()


def test_an_export_that_was_traced_before_the_training_has_the_weights_of_its_end(tmp_path: Path) -> None:
    total = keras.Input((1,), name="total")
    scale = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model({"total": total}, scale(total))
    traced: list[str] = []

    def transform(raw: Any) -> dict[str, Any]:
        traced.append("transform")
        return _transform(raw)

    made = export.Export(model, transform, raw_features(SCHEMA, "y"), export.Answer("regression"))
    with meanwhile(made.prepare) as begin:
        begin()
    once = len(traced)
    assert once
    scale.kernel.assign([[3.0]])
    made.write(tmp_path)
    assert len(traced) == once, "nothing was traced twice"
    saved = SavedModel(tmp_path)
    examples = serialize([{"petal length (cm)": [2.5], "v": [0.0] * 4, "five": [b"a", b"b"]}])
    [output] = saved.run(saved.signature("regress"), {"examples": examples}).values()
    assert output.tolist() == [pytest.approx(7.5)]


def test_what_fails_ahead_of_time_fails_where_it_is_written(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((1,), name="total")])

    def fails(_: Any) -> dict[str, Any]:
        raise ValueError("no such vocabulary")

    made = export.Export(model, fails, raw_features(SCHEMA, "y"), export.Answer("regression"))
    with meanwhile(made.prepare) as begin:
        begin()
    with pytest.raises(ValueError, match="no such vocabulary"):
        made.write(tmp_path)
