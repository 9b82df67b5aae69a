"""A small model in every variant: what each format stores and answers, and what goes on."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from adapters import tf_fork
from artifacts.compression.compression import Compression, VariantResult
from artifacts.model.edge_model import MODEL, EdgeModel
from artifacts.model.names import SERVING, TFLITE
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.compress_model.config import Config
from components.compress_model.logic import Inputs, Outputs, compress
from components.train_model.config import Config as TrainConfig
from components.train_model.logic import Inputs as TrainInputs
from components.train_model.logic import Outputs as TrainOutputs
from components.train_model.logic import train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core.backends import manifest
from core.errors import ConversionError, DataError, TrainingError
from core.user_code import ROOT
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "origin" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "wind" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "gust" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
"""
PREPROCESSING = """
import keras
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    origin = tft.compute_and_apply_vocabulary(inputs["origin"], num_oov_buckets=1, vocab_filename="origin")
    winds = tf.concat([inputs["wind"], inputs["gust"]], axis=1) / 30.0
    return {"late": inputs["late"], "origin": origin, "hour": inputs["hour"], "winds": winds}
"""
BUILD = """
def build_model(transform_output, hyperparameters):
    inputs = {name: keras.Input((1,), name=name, dtype="int64") for name in ("origin", "hour")}
    inputs["winds"] = keras.Input((2,), name="winds")
    index = INDEX
    looked_up = keras.layers.Flatten()(keras.layers.Embedding(96, 12, name="table")(index))
    hidden = keras.layers.Concatenate()([looked_up, inputs["winds"]])
    hidden = keras.layers.Dense(96, activation="relu", name="hidden")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", jit_compile=False)
    return model
"""
CONVERTIBLE = "tf.constant([[0]], tf.int64) + inputs['origin'] * 24 + inputs['hour']"
PROBLEM = {"label": "late", "task": "binary_classification"}
TRAINING = {**PROBLEM, "epochs": 2, "batch_size": 100, "read_rows": 400}
EVALUATION = {"slices": [["origin"]], "min_slice_examples": 50, "groups": [["origin"]], "rates": ["selection_rate"]}
METRIC = {"name": "auc", "at_least": 0.6, "why": "of the planted rule"}
LOOSE = {
    "max_loss": 0.1,
    "max_gap_growth": 0.2,
    "max_slice_loss": 0.2,
    "max_loss_to_control": 0.2,
    "agreement": 0.9,
    "max_difference": 0.2,
}


def _flights(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    origin, hour = random.integers(0, 3, rows), random.integers(0, 24, rows)
    wind, gust = random.gamma(2, 8, (2, rows)).astype("float32")
    chance = 1 / (1 + np.exp(4 - hour / 4 - origin + wind / 20))
    return pa.table(
        {
            "late": (random.random(rows) < chance).astype("int64"),
            "origin": np.array(["EWR", "JFK", "LGA"])[origin],
            "hour": hour,
            "wind": wind,
            "gust": gust,
        }
    )


class World(NamedTuple):
    """A trained model and what it was made of."""

    folder: Path
    inputs: Inputs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    (folder / "module.py").write_text(PREPROCESSING + BUILD.replace("INDEX", CONVERTIBLE))
    splits = {"train": _flights(1200, 0), "validation": _flights(300, 1), "eval": _flights(500, 2)}
    examples = write_examples(folder / "examples", splits)
    module, schema, graph = str(folder / "module.py"), str(folder / "schema.pbtxt"), folder / "graph"
    transform(TransformConfig(), TransformInputs(module, schema, examples), graph)
    outputs = TrainOutputs(folder / "trained", lambda *_: None, folder / "training.html")
    train(TrainConfig.model_validate(TRAINING), TrainInputs(module, schema, examples, graph), outputs)
    return World(folder, Inputs(TRAINING, EVALUATION, module, schema, examples, graph, folder / "trained"))


def _config(**changes: Any) -> Config:
    base = {**PROBLEM, "metrics": [METRIC], "calibration_rows": 200, "epochs": 1, "thresholds": LOOSE}
    return Config.model_validate(base | changes)


def _outputs(folder: Path) -> Outputs:
    return Outputs(*(folder / name for name in ("model", "compression", "decision.json", "pictures.html")))


class Made(NamedTuple):
    """A compression with all kinds of variants."""

    outputs: Outputs
    compression: Compression

    def of(self, name: str) -> VariantResult:
        found = self.compression.variant(name)
        assert found is not None
        assert not found.fault, found.fault
        return found


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Made:
    outputs = _outputs(tmp_path_factory.mktemp("made"))
    config = _config(ship="float16", also=["int8", "qat", "pruned+qat"], pruning={"every": 2})
    decision = compress(config, world.inputs, outputs)
    assert decision.is_open, decision.summary
    return Made(outputs, Compression.read(Path(outputs.compression)))


def test_a_process_that_has_used_tensorflow_is_not_forked(made: Made) -> None:
    assert made.of("float32").tflite is not None
    assert tf_fork.context().get_start_method() == "spawn"


def test_the_uncompressed_file_gives_the_same_numbers(made: Made) -> None:
    plain = made.of("float32")
    assert plain.parity is not None
    assert plain.parity.max_difference < 1e-5
    assert plain.parity.agreement == 1.0
    assert plain.tflite is not None
    assert plain.tflite.losses[0].loss == pytest.approx(0, abs=1e-6)


def test_a_saved_model_computes_with_the_weights_that_the_file_stores(made: Made) -> None:
    kernels = {name: {layer.stored for layer in made.of(name).layers} for name in ("float32", "float16", "int8")}
    assert kernels["float32"] == {"float32"}
    assert kernels["float16"] == {"float16"}
    assert "int8" in kernels["int8"]
    parity = made.of("float16").parity
    assert parity is not None
    assert parity.max_difference < 1e-4, "float16 weights, float32 arithmetic in both"


def test_quantized_files_are_smaller_and_slices_are_compared(made: Made) -> None:
    plain = made.of("float32").tflite
    assert plain is not None
    for name in ("float16", "int8", "pruned+qat"):
        form = made.of(name).tflite
        assert form is not None
        assert form.size.gzip < plain.size.gzip
        assert sorted(one.slice for one in form.losses) == ["", "origin=EWR", "origin=JFK", "origin=LGA"]
        assert sum(form.differences) == 500
        assert form.gaps.keys() == {"selection_rate between groups of origin"}


def test_pruned_layers_are_as_sparse_as_scheduled_also_when_quantized(made: Made) -> None:
    dense, sparse = (
        [layer for layer in made.of(name).layers if layer.weights >= 256] for name in ("qat", "pruned+qat")
    )
    assert dense
    assert all(layer.zeros < 0.5 for layer in dense), dense
    assert all(layer.zeros >= 0.79 for layer in sparse), sparse
    assert made.of("pruned+qat").sparse is not None
    assert made.compression.control is not None
    assert made.compression.control.epochs == 1


def test_both_formats_of_the_shipped_version_predict_alike(world: World, made: Made) -> None:
    serving = Path(made.outputs.model) / SERVING
    block = next(Splits(Path(world.inputs.examples), read_referenced(world.inputs.schema)).blocks("eval", 200))
    predictor = Predictor(serving, "binary_classification")
    edge = EdgeModel(serving / TFLITE, tf.lite.Interpreter)
    served, on_device = predictor(block.serialized), edge(predictor.transformed(block.serialized))[:, 0]
    assert np.abs(served - on_device).max() < 1e-4, "float16 weights, float32 arithmetic in both"
    assert edge.inputs.label == "late"
    assert {one.name for one in edge.inputs.columns} == {"origin", "hour", "winds"}


def test_the_file_travels_in_the_version_and_its_digest(made: Made) -> None:
    files = manifest.scan(Path(made.outputs.model) / SERVING)
    assert f"{TFLITE}/{MODEL}" in files
    decision = json.loads(Path(made.outputs.decision).read_bytes())
    assert decision["subject"] != made.compression.model


def test_pictures_show_sizes_differences_and_sparsity(made: Made) -> None:
    page = Path(made.outputs.pictures).read_text()
    for title in ("size against quality", "difference to the uncompressed prediction", "share of weights that are 0"):
        assert title in page


@pytest.mark.skipif(importlib.util.find_spec("ai_edge_litert") is None, reason="ai-edge-litert has no wheel here")
def test_a_device_without_tensorflow_gives_the_same_numbers(made: Made, tmp_path: Path) -> None:
    installed = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "ai_edge_litert", "flatbuffers", "backports", "ml_dtypes"):
        if (installed / name).exists():
            (tmp_path / name).symlink_to(installed / name)
    program = Path(__file__).with_name("clean_reader.py")
    folder = Path(made.outputs.model) / SERVING / TFLITE
    command = [sys.executable, "-I", "-S", str(program), str(ROOT), str(tmp_path), str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert not found["tensorflow"]
    assert found["rows"] == 32
    assert found["difference"] < 1e-5
    assert found["unpacked"] < 1e-5


def test_what_cannot_be_compressed_is_an_error_before_any_training(world: World, tmp_path: Path) -> None:
    config, outputs = _config(ship="pruned", pruning={"min_weights": 100_000}), _outputs(tmp_path / "none")
    with pytest.raises(TrainingError, match=r"100000 weights or more, got none \(the largest has 1344\)"):
        compress(config, world.inputs, outputs)
    with pytest.raises(DataError, match="wanted 5000 rows of the split 'train', got 1200"):
        compress(_config(ship="int8", calibration_rows=5000), world.inputs, outputs)
    other = world.folder / "other.py"
    other.write_text(PREPROCESSING + BUILD.replace("INDEX", CONVERTIBLE).replace("Dense(96", "Dense(40"))
    with pytest.raises(ConversionError, match="hidden/kernel"):
        compress(_config(ship="int8"), world.inputs._replace(module=str(other)), outputs)
    assert not Path(outputs.model).exists()
