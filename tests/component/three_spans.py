"""A small problem over three spans with a known truth, for the stages that compare models on the newest one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from tests.written_examples import write_spans

ROWS = 1500
SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "city" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "gate" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "load" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "wind" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
"""
MODULE = """
import keras
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    outputs = {
        name: tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1, vocab_filename=name)
        for name in ("city", "gate")
    }
    outputs |= {name: tft.scale_to_z_score(inputs[name]) for name in ("load", "wind")}
    return outputs | {"late": inputs["late"]}

def build_model(transform_output, hyperparameters):
    inputs = {name: keras.Input((1,), name=name) for name in ("load", "wind")}
    hidden = keras.layers.Concatenate()(list(inputs.values()))
    hidden = keras.layers.Dense(int(hyperparameters.get("units", 8)), activation="relu", name="hidden")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden))
    rate = float(hyperparameters.get("learning_rate", 0.01))
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model

def _knowing(weight):
    inputs = {name: keras.Input((1,), name=name) for name in ("load", "wind")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    start = keras.initializers.Constant([[weight], [0.0]])
    logit = keras.layers.Dense(1, kernel_initializer=start, name="truth")(joined)
    many = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.Dense(64)(joined))
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(keras.layers.Add()([logit, many])))
    model.compile(keras.optimizers.SGD(1e-9), "binary_crossentropy", jit_compile=False)
    return model

def build_knowing(transform_output, hyperparameters):
    return _knowing(1.5)

def build_misled(transform_output, hyperparameters):
    return _knowing(-1.5)

def build_pickle(transform_output, hyperparameters):
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression()
"""
TRAINING = {
    "label": "late", "task": "binary_classification", "epochs": 4, "batch_size": 64, "read_rows": 1000,
    "early_stopping": {"patience": 4}, "seed": 5,
}  # fmt: skip
"""The section `train_model`."""


class World(NamedTuple):
    """References and folders, as a component gets them."""

    folder: Path
    module: str
    schema: str
    examples: Path
    transform_graph: Path


def rows(truth: str, seed: int, count: int = ROWS) -> pa.Table:
    """Make rows whose label depends on `load` alone (linear), or on whether city and gate belong together (crossed)."""
    random = np.random.default_rng(seed)
    load, wind = random.normal(size=(2, count)).astype(np.float32)
    city, gate = random.integers(0, 4, (2, count))
    logit = 1.5 * load if truth == "linear" else 4.0 * ((city + gate) % 2) - 2.0
    columns: dict[str, Any] = {
        "late": (random.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int64),
        "city": np.array(list("ABCD"))[city],
        "gate": np.array(list("WXYZ"))[gate],
        "load": load,
        "wind": wind,
    }
    return pa.table(columns)


def write_world(folder: Path, truth: str, counts: Sequence[int] = (ROWS, ROWS, ROWS)) -> World:
    """Write examples of some spans, so many rows each, and their transform graph."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schema.pbtxt").write_text(SCHEMA, encoding="utf-8")
    (folder / "module.py").write_text(MODULE, encoding="utf-8")
    found = {
        span: {"train": rows(truth, span, count), "validation": rows(truth, span + 50, count // 5)}
        for span, count in enumerate(counts, 1)
    }
    examples = write_spans(folder / "examples", found)
    world = World(folder, str(folder / "module.py"), str(folder / "schema.pbtxt"), examples, folder / "graph")
    transform(TransformConfig(), TransformInputs(world.module, world.schema, examples), world.transform_graph)
    return world
