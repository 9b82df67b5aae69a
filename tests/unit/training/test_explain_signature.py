"""A signature `explain` in the graph gives what a server computes outside of it."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.explanations.shapley import Effort
from artifacts.model.features import Features
from core.errors import TrainingError
from serving.bodies import requests
from serving.models.explainer import Explainer
from serving.models.savedmodel import SavedModel
from training import export
from training.raw_features import RawFeature, raw_features

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } not_in_environment: "SERVING" }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "wind" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 2 } } }
feature { name: "temp" type: FLOAT presence { min_fraction: 0 } value_count { max: 1 } }
default_environment: "TRAINING" default_environment: "SERVING"
"""
BACKGROUND = [
    {"carrier": "UA", "hour": 6, "wind": [1.0, 2.0]},
    {"carrier": "AA", "hour": 12, "wind": [0.5, 0.0], "temp": 20.0},
    {"carrier": "B6", "hour": 17, "wind": [3.0, 1.0], "temp": 80.0},
]
ROWS = [
    {"carrier": "AA", "hour": 20, "wind": [2.0, 2.5], "temp": 50.0},
    {"carrier": "B6", "hour": 3, "wind": [0.0, 9.0]},
]


class Transform(tf.Module):
    """Numbers of everything, in one column."""

    @tf.function(autograph=False)
    def __call__(self, raw: dict[str, Any]) -> dict[str, Any]:
        temp = tf.sparse.to_dense(raw["temp"])
        steps = 2.0 * tf.cast(raw["carrier"] == "AA", tf.float32) + tf.cast(raw["hour"], tf.float32) / 24.0
        return {"x": steps * (1.0 + tf.reduce_sum(raw["wind"], axis=1, keepdims=True)) / 9.0 - temp / 100.0}


@pytest.fixture(scope="module")
def raw() -> list[RawFeature]:
    return raw_features(text_format.Parse(SCHEMA, schema_pb2.Schema()), "late")


def exported(folder: Path, raw: list[RawFeature], background: list[Any]) -> Path:
    import keras

    x = keras.Input((1,), name="x")
    model = keras.Model({"x": x}, keras.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")(x))
    answer = export.Answer("binary_classification", background=export.Background(tuple(background), 32))
    export.export(model, Transform(), raw, answer, folder)
    Features(tuple(one.feature for one in raw), "late", "binary_classification").write(folder)
    return folder


def test_the_graph_gives_what_a_server_computes(tmp_path: Path, raw: list[RawFeature]) -> None:
    model = SavedModel(exported(tmp_path / "model", raw, BACKGROUND))
    assert model.rows is not None
    fed = requests.feeds(requests.Question("rows", "instances", ROWS, {}), model.rows, 2).columns
    own = Explainer(model).explain(fed)
    assert all(one.adds_up for one in own)
    assert [one.evaluations for one in own] == [0, 0]
    other = Explainer(model, BACKGROUND, Effort(pairs=5000, evaluations=1 << 20), own=False).explain(fed)
    for found, wanted in zip(own, other, strict=True):
        assert found.base == pytest.approx(wanted.base, abs=1e-6)
        assert list(found.attributions.values()) == pytest.approx(list(wanted.attributions.values()), abs=0.05)


def test_what_the_graph_cannot_explain_is_named(tmp_path: Path, raw: list[RawFeature]) -> None:
    with pytest.raises(TrainingError, match=r"explain_pairs.*no row"):
        exported(tmp_path / "model", raw, [])
    assert not (tmp_path / "model").exists()
