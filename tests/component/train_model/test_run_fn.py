"""A `run_fn` gets what TFX's Trainer would give it, in this process and without TFX, and its model is described."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest

from artifacts.model.features import read_features
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from artifacts.schema.schema_file import read_schema
from components.train_model.config import Config, RunFn
from components.train_model.logic import Inputs, Outputs, train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core.errors import TrainingError
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "u" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "y" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
"""
MODULE = """
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

def preprocessing_fn(inputs):
    return {"u": tft.scale_to_z_score(inputs["u"]), "y": inputs["y"]}

def run_fn(fn_args):
    transform = tft.TFTransformOutput(fn_args.transform_output)
    schema = transform.transformed_metadata.schema
    options = tfxio.TensorFlowDatasetOptions(batch_size=50, label_key="y")
    rows = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)
    means = [[], []]
    for features, label in rows.take(fn_args.train_steps):
        for one in (0, 1):
            means[one].append(tf.reduce_mean(features["u"][label[:, 0] == one]))
    low, high = (tf.reduce_mean(one) for one in means)
    assert fn_args.hyperparameters == {"steepness": 4}
    assert fn_args.custom_config == {"by": "hand"}

    class Middle(tf.Module):
        def __init__(self):
            self.layer = transform.transform_features_layer()
            self.middle = tf.Variable((low + high) / 2)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
        def serve(self, examples):
            spec = transform.raw_feature_spec()
            spec.pop("y")
            u = self.layer(tf.io.parse_example(examples, spec))["u"]
            return {"outputs": tf.sigmoid((u - self.middle) * fn_args.hyperparameters["steepness"])}

    module = Middle()
    tf.saved_model.save(module, fn_args.serving_model_dir, signatures={"serving_default": module.serve})
"""


def _rows(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    u = random.normal(40, 9, rows).astype("float32")
    return pa.table({"u": u, "y": (u + random.normal(0, 2, rows) > 40).astype("int64")})


def _trained(folder: Path, *, materialize: bool = True) -> Path:
    (folder / "module.py").write_text(MODULE)
    (folder / "schema.pbtxt").write_text(SCHEMA)
    module, schema, examples = str(folder / "module.py"), str(folder / "schema.pbtxt"), folder / "examples"
    write_examples(examples, {"train": _rows(400, 0), "validation": _rows(100, 1)})
    transform(TransformConfig(materialize=materialize), TransformInputs(module, schema, examples), folder / "graph")
    config = Config(
        label="y",
        task="binary_classification",
        hyperparameters={"steepness": 4},
        run_fn=RunFn(train_steps=8, eval_steps=1, custom_config={"by": "hand"}),
    )
    train(
        config,
        Inputs(module, schema, examples, folder / "graph"),
        Outputs(folder / "model", lambda *_: None, folder / "pictures.html"),
    )
    return folder / "model" / "Format-Serving"


def test_what_a_run_fn_saves_is_described_and_answers_raw_rows(tmp_path: Path) -> None:
    model = _trained(tmp_path)
    assert [feature.name for feature in read_features(model).features] == ["u"]
    block = next(Splits(tmp_path / "examples", read_schema(tmp_path / "schema.pbtxt")).blocks("validation", 100))
    scores = np.asarray(Predictor(model, "binary_classification")(block.serialized)).ravel()
    labels = np.array(block.batch["y"].to_pylist()).ravel()
    assert ((scores > 0.5) == labels).mean() > 0.85


def test_transformed_examples_that_were_not_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"transform_features\.materialize: true"):
        _trained(tmp_path, materialize=False)
