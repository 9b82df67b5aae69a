"""A model learns the probabilities of its labels, for two classes and for several, through any loss."""

from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from artifacts.labels import probabilities
from artifacts.labels.probabilities import SplitLabels
from components.train_model.config import Config
from components.train_model.logic import Inputs, Outputs, train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core.errors import CorruptArtifact
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "label" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } domain: "label" }
feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
string_domain { name: "label" value: "a" value: "b" value: "c" }
"""
MODULE = """
import keras

def preprocessing_fn(inputs):
    return {"x": inputs["x"], "label": inputs["label"]}

def build_model(transform_output, hyperparameters):
    x = keras.Input((1,), name="x")
    classes = len(hyperparameters["classes"])
    loss = "binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy"
    end = (1, "sigmoid", loss) if classes == 2 else (classes, "softmax", loss)
    model = keras.Model({"x": x}, keras.layers.Dense(end[0], activation=end[1])(x))
    model.compile(keras.optimizers.Adam(0.05), end[2], metrics=["accuracy"], jit_compile=False)
    return model
"""
GROUPS = {2: [[0.8, 0.2], [0.3, 0.7]], 3: [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]}
ROWS = 400


def _examples(folder: Path, classes: int) -> Path:
    """Write rows of two groups, x = -1 and x = 1, each with its probabilities; their plain labels are all but one."""
    group = np.arange(ROWS) % 2
    shares = np.array(GROUPS[classes], np.float32)[group]
    names = ("a", "b", "c")[:classes]
    plain = [names[index] for index in shares.argmax(axis=1)]
    table = pa.table({"label": plain, "x": pa.array(group * 2 - 1, pa.float32())})
    write_examples(folder, {"train": table, "validation": table})
    labels = SplitLabels([str(row) for row in range(ROWS)], shares, np.ones(ROWS, np.float32))
    probabilities.write(folder, names, {"train": labels, "validation": labels})
    return folder


def _train(folder: Path, classes: int) -> Path:
    schema, module = folder / "schema.pbtxt", folder / "module.py"
    schema.write_text(SCHEMA if classes == 3 else SCHEMA.replace(' value: "c"', ""))
    module.write_text(MODULE)
    graph, model = folder / "graph", folder / "model"
    transform(TransformConfig(), TransformInputs(str(module), str(schema), folder / "examples"), graph)
    task: Any = "binary_classification" if classes == 2 else "multiclass_classification"
    positive = "b" if classes == 2 else None
    config = Config(label="label", task=task, positive=positive, epochs=40, batch_size=64, class_weights=None)
    inputs = Inputs(str(module), str(schema), folder / "examples", graph)
    train(config, inputs, Outputs(model, lambda name, value: None, folder / "pictures.html"))
    return model


@pytest.mark.parametrize("classes", [2, 3])
def test_a_model_learns_the_probabilities(tmp_path: Path, classes: int) -> None:
    _examples(tmp_path / "examples", classes)
    model = tf.saved_model.load(str(_train(tmp_path, classes) / "Format-Serving"))
    answer = model.signatures["serving_default"](x=tf.constant([-1.0, 1.0]))
    (scores,) = (value.numpy() for value in answer.values() if value.dtype == tf.float32)
    wanted = np.array(GROUPS[classes])
    np.testing.assert_allclose(scores.reshape(2, -1), wanted if classes == 3 else wanted[:, 1:], atol=0.06)
    history = (tmp_path / "model" / "training.json").read_text()
    assert '"val_loss"' in history
    assert "accuracy" not in history  # it would count each row once for every class


def test_labels_of_other_examples_are_refused(tmp_path: Path) -> None:
    examples = _examples(tmp_path / "examples", 2)
    few = SplitLabels(["0"], np.array([[0.5, 0.5]], np.float32), np.ones(1, np.float32))
    probabilities.write(examples, ("a", "b"), {"train": few})
    with pytest.raises(CorruptArtifact, match="a label for each row of the split 'train', got 1"):
        _train(tmp_path, 2)
