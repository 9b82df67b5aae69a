"""Equal trainings give equal weights, what cannot be learned from gives no model, and an export takes raw rows."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from artifacts.model.features import read_features
from artifacts.model.names import CHECKPOINT
from artifacts.model.request import tensors
from components.train_model.config import Config
from components.train_model.logic import Inputs, Outputs, train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core.backends.registry import open_registry
from core.beam.settings import Beam
from core.errors import EmptyDataset, MlopsError, TrainingError
from tests.mounted_bucket import mounted
from tests.written_examples import write_examples
from training import fitting

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "carrier" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "distance" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "gust" type: FLOAT value_count { min: 0 max: 1 } }
feature { name: "gate" type: INT value_count { min: 0 max: 1 } }
feature { name: "tail" type: BYTES value_count { min: 0 max: 1 } }
"""
PREPROCESSING = """
import keras
import tensorflow as tf
import tensorflow_transform as tft

def dense(feature, default):
    return tft.sparse_tensor_to_dense_with_shape(feature, [None, 1], default_value=default)

def preprocessing_fn(inputs):
    return {
        "late": inputs["late"],
        "carrier": tft.compute_and_apply_vocabulary(inputs["carrier"], num_oov_buckets=1, vocab_filename="carrier"),
        "distance": tft.scale_to_z_score(inputs["distance"]),
        "gust": dense(inputs["gust"], 0.0) / 30,
        "gate": tf.cast(dense(inputs["gate"], 50), tf.float32) / 100,
        "tail": tf.cast(tf.strings.length(dense(inputs["tail"], "unknown")), tf.float32) / 10,
    }
"""
BUILD = """
def build_model(transform_output, hyperparameters):
    inputs = {name: keras.Input((1,), name=name) for name in ("distance", "gust", "gate", "tail")}
    inputs["carrier"] = keras.Input((1,), name="carrier", dtype="int64")
    size = transform_output.vocabulary_size_by_name("carrier") + 1
    carrier = keras.layers.Flatten()(keras.layers.Embedding(size, 2, name="carriers")(inputs["carrier"]))
    hidden = keras.layers.Concatenate()([carrier] + [inputs[name] for name in ("distance", "gust", "gate", "tail")])
    hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(8, activation="relu", name="hidden")(hidden))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden))
    optimizer = keras.optimizers.Adam(hyperparameters.get("learning_rate", 0.01))
    model.compile(optimizer, "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")], jit_compile=False)
    return model
"""


def _flights(rows: int, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    distance = random.gamma(2, 300, rows).astype("float32")
    missing = random.random((3, rows)) < 0.3
    return pa.table(
        {
            "late": (random.random(rows) < 1 / (1 + np.exp((600 - distance) / 200))).astype("int64"),
            "carrier": random.choice(list("ABC"), rows),
            "distance": distance,
            "gust": pa.array(random.normal(15, 5, rows).astype("float32"), mask=missing[0]),
            "gate": pa.array(random.integers(1, 90, rows), mask=missing[1]),
            "tail": pa.array(random.choice(["N1", "N22", "N333"], rows), mask=missing[2]),
        }
    )


def _with_label(table: pa.Table, labels: list[int]) -> pa.Table:
    return table.set_column(0, "late", pa.array((labels * table.num_rows)[: table.num_rows], pa.int64()))


class World(NamedTuple):
    folder: Path
    examples: Path
    graph: Path

    def inputs(self, name: str = "module", module: str = PREPROCESSING + BUILD, **changes: Any) -> Inputs:
        (self.folder / f"{name}.py").write_text(module)
        return Inputs(
            str(self.folder / f"{name}.py"), str(self.folder / "schema.pbtxt"), self.examples, self.graph
        )._replace(**changes)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    world = World(
        folder,
        write_examples(
            folder / "examples", {"train": _flights(1500), "validation": _flights(300, 1), "eval": _flights(64, 2)}
        ),
        folder / "graph",
    )
    inputs = world.inputs()
    transform(TransformConfig(), TransformInputs(inputs.module, inputs.schema, world.examples), world.graph)
    return world


def _config(**changes: Any) -> Config:
    return Config(
        **{
            "label": "late",
            "task": "binary_classification",
            "epochs": 3,
            "batch_size": 100,
            "read_rows": 400,
            **changes,
        }
    )


def _train(config: Config, inputs: Inputs, model: Path) -> dict[str, float]:
    metrics: dict[str, float] = {}
    train(config, inputs, Outputs(model, metrics.__setitem__, model.with_suffix(".html")))
    return metrics


def _weights(model: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(model / "Format-Serving" / "assets.extra" / "weights.npz") as file:
        return dict(file)


def _assert_equal(left: Path, right: Path) -> None:
    first, second = _weights(left), _weights(right)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.fixture(scope="module")
def trained(world: World) -> Path:
    model = world.folder / "model"
    metrics = _train(_config(), world.inputs(), model)
    assert metrics["val_auc"] > 0.7
    assert metrics["rows"] == 1500
    return model


def test_a_training_leaves_its_model_numbers_and_picture(world: World, trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["Format-Serving", "training.json"]
    training = json.loads((trained / "training.json").read_text())
    assert len(training["history"]["val_loss"]) == training["epochs"] == 3
    assert "<svg" in trained.with_suffix(".html").read_text()
    features = json.loads((trained / "Format-Serving" / "assets.extra" / "features.json").read_text())
    assert (features["label"], features["task"]) == ("late", "binary_classification")
    assert [(feature["name"], feature["dtype"], feature["required"]) for feature in features["features"]] == [
        ("carrier", "string", True),
        ("distance", "float", True),
        ("gust", "float", False),
        ("gate", "int", False),
        ("tail", "string", False),
    ]


def test_equal_trainings_give_equal_weights_also_from_disk_and_after_an_interruption(
    world: World, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(_config(memory_mib=0), world.inputs(), world.folder / "from-disk")
    _assert_equal(trained, world.folder / "from-disk")

    write, epochs = fitting.TrainingState.write, []

    def write_and_die(state: fitting.TrainingState, *arguments: Any) -> None:
        write(state, *arguments)
        epochs.append(len(state.losses))
        if len(epochs) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting.TrainingState, "write", write_and_die)
    with pytest.raises(KeyboardInterrupt):
        _train(_config(), world.inputs(), world.folder / "resumed")
    assert not (world.folder / "resumed" / "Format-Serving" / "saved_model.pb").exists()
    _train(_config(), world.inputs(), world.folder / "resumed")
    assert epochs == [1, 2, 3]
    _assert_equal(trained, world.folder / "resumed")
    assert not (world.folder / "resumed" / CHECKPOINT).exists()


def test_the_exported_model_has_the_tables_that_it_looks_up_and_no_others(trained: Path) -> None:
    [graph] = parse_saved_model(str(trained / "Format-Serving")).meta_graphs
    tables = [node for node in graph.object_graph_def.nodes if node.WhichOneof("kind") == "resource"]
    assert len(tables) == len(list((trained / "Format-Serving" / "assets").iterdir())) == 1


def test_the_exported_model_takes_raw_rows_and_examples_alike(world: World, trained: Path) -> None:
    signatures = tf.saved_model.load(str(trained / "Format-Serving")).signatures
    assert sorted(signatures) == ["classify", "regress", "serving_default", "transform_features"]
    rows = _flights(64, 2)
    dtypes = {"distance": tf.float32, "gust": tf.float32, "gate": tf.int64}
    request = {}
    for feature in read_features(trained / "Format-Serving").features:  # type: ignore[union-attr]
        for name, values in tensors(feature, rows[feature.name].to_pylist()).items():
            request[name] = tf.constant(values, tf.int64 if name == feature.count else dtypes.get(name, tf.string))
    specs = signatures["serving_default"].structured_input_signature[1]
    assert {name: (spec.dtype, spec.shape.as_list()) for name, spec in specs.items()} == {
        name: (value.dtype, [None]) for name, value in request.items()
    }
    raw = signatures["serving_default"](**request)["predictions"].numpy()
    assert (raw.shape, raw.dtype) == ((64, 1), np.float32)
    (shard,) = (world.examples / "Split-eval").glob("*.gz")
    examples = next(iter(tf.data.TFRecordDataset(str(shard), "GZIP").batch(64)))
    np.testing.assert_allclose(signatures["regress"](examples=examples)["outputs"].numpy(), raw[:, 0], atol=1e-6)
    classified = signatures["classify"](examples=examples)
    np.testing.assert_allclose(classified["scores"].numpy(), np.concatenate([1 - raw, raw], axis=1), atol=1e-6)
    assert classified["classes"].numpy().tolist() == [[b"0", b"1"]] * 64
    assert set(signatures["transform_features"](examples=examples)) == {"carrier", "distance", "gust", "gate", "tail"}


ONE_CLASS = {"train": _with_label(_flights(200), [1]), "validation": _flights(50)}
BAD = {
    "no rows": ({}, {"train": _flights(0), "validation": _flights(50)}, "", (TrainingError, EmptyDataset), "got none"),
    "no validation": (
        {},
        {"train": _flights(200), "validation": _flights(0)},
        "",
        (TrainingError, EmptyDataset),
        "validation",
    ),
    "one class": (
        {},
        ONE_CLASS,
        "",
        TrainingError,
        "split 'train': wanted at least two classes, got 1 in all 200 rows",
    ),
    "other labels": (
        {},
        {"train": _with_label(_flights(200), [1, 2]), "validation": _flights(50)},
        "",
        TrainingError,
        "labels 0 and 1.*got 1, 2",
    ),
    "diverges": (
        {"hyperparameters": {"learning_rate": 1e30}},
        None,
        "",
        TrainingError,
        "finite loss, got nan after [0-9]+ rows of epoch 1",
    ),
    "not compiled": (
        {},
        None,
        "\ndef build_model(t, h):\n    return keras.Sequential([keras.layers.Dense(1)])\n",
        TrainingError,
        "compiled keras.Model",
    ),
    "unknown feature": ({}, None, BUILD.replace('"gust"', '"gusts"'), TrainingError, "'gusts'.*did you mean 'gust'"),
    "misspelt": (
        {},
        None,
        BUILD.replace("build_model", "build_modle"),
        MlopsError,
        r"build_model\(\); did you mean 'build_modle'",
    ),
    "user's error": ({}, None, "\ndef build_model(t, h):\n    return no_such\n", NameError, "no_such"),
    "no such hyperparameter": (
        {},
        None,
        "\ndef build_model(t, h):\n    return h['no_such']\n",
        TrainingError,
        "build_model fails with KeyError: 'no_such'; it may be the hyperparameter no_such, which is not set",
    ),
    "unknown label": ({"label": "lat"}, None, "", MlopsError, "did you mean 'late'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_become_a_model_is_named_and_leaves_none(world: World, tmp_path: Path, case: str) -> None:
    changes, splits, module, error, named = BAD[case]
    examples = world.examples if splits is None else write_examples(tmp_path / "examples", splits)
    inputs = world.inputs(case.replace(" ", "_").replace("'", ""), PREPROCESSING + (module or BUILD), examples=examples)
    with pytest.raises(error, match=named):
        _train(_config(**changes), inputs, tmp_path / "model")
    assert not (tmp_path / "model" / "Format-Serving").exists()


def test_a_warm_start_takes_what_agrees_with_the_champion(
    world: World, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    champion = open_registry(str(tmp_path / "registry")).publish("flights", trained / "Format-Serving", {})
    wider = (PREPROCESSING + BUILD).replace("Dense(8", "Dense(9")
    inputs = world.inputs("wider", wider, champion=champion.reference, registry=str(tmp_path / "registry"))
    with caplog.at_level("INFO"):
        _train(_config(epochs=1, warm_start=True, hyperparameters={"learning_rate": 0.0}), inputs, tmp_path / "model")
    assert "2 of 5 weights" in caplog.text
    started, kept = _weights(tmp_path / "model"), _weights(trained)
    np.testing.assert_array_equal(started["carriers/embeddings"], kept["carriers/embeddings"])
    assert started["hidden/kernel"].shape == (6, 9)


def test_transform_and_training_write_to_a_mounted_bucket(world: World, tmp_path: Path) -> None:
    """A bucket's mount refuses to rename folders; and all but the checkpoint is written there once."""
    inputs, there = world.inputs(), tmp_path / "gcs"
    with mounted(there):
        for engine in ("in_process", "beam"):
            config = TransformConfig(beam=Beam(engine=engine))
            transform(config, TransformInputs(inputs.module, inputs.schema, world.examples), there / engine)
        _train(_config(epochs=1), inputs._replace(transform_graph=there / "in_process"), there / "model")
    assert (there / "model" / "Format-Serving" / "saved_model.pb").is_file()
    assert not [*there.rglob(".analysis-*"), *there.rglob(".rows-*")]
    assert not (there / "model" / CHECKPOINT).exists()
