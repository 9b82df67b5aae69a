"""A module file of TFX's own examples goes through transform_features and train_model as it is."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.model.names import SERVING
from artifacts.predictions import parity
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from artifacts.schema.schema_file import read_schema
from components.train_model.config import Config, RunFn
from components.train_model.logic import Inputs, Outputs, train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from components.validate_infra.config import Config as InfraConfig
from components.validate_infra.logic import validate
from core import digest
from core.decision import Decision

TFX = Path(
    (find_spec("tfx") or pytest.skip("tfx is not installed", allow_module_level=True)).submodule_search_locations[0]
)  # type: ignore[index]
DATA = TFX / "components" / "testdata" / "penguin"
MODULE = TFX / "examples" / "penguin" / "penguin_utils_keras.py"


def _examples(folder: Path) -> Path:
    """TFX's own examples of penguins, its eval split for validation."""
    shards = []
    for split, source in (("train", "train"), ("validation", "eval")):
        (file,) = (DATA / "data" / f"Split-{source}").glob("*.gz")
        target = folder / f"Split-{split}" / "span-00001-00000-of-00001.gz"
        target.parent.mkdir(parents=True)
        shutil.copyfile(file, target)
        records = sum(1 for _ in tf.data.TFRecordDataset(str(target), "GZIP"))
        shards.append(
            Shard(
                name=str(target.relative_to(folder)),
                split=split,
                span=1,
                records=records,
                sha256=digest.of_file(target),
            )
        )
    ExamplesManifest(
        source="tfx", data="", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=tuple(shards)
    ).write(folder)
    return folder


def _run(examples: Path, folder: Path) -> Path:
    schema = str(DATA / "schema" / "schema.pbtxt")
    transform(TransformConfig(materialize=True), TransformInputs(str(MODULE), schema, examples), folder / "graph")
    config = Config(label="species", task="multiclass_classification", run_fn=RunFn(train_steps=60, eval_steps=5))
    train(
        config,
        Inputs(str(MODULE), schema, examples, folder / "graph"),
        Outputs(folder / "model", lambda *_: None, folder / "pictures.html"),
    )
    return folder / "model"


def _run_in_a_process(examples: Path, folder: Path) -> Path:
    """As a step does: importing tfx turns on Keras 2, which is too late where other tests have used Keras 3 already."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, __file__, str(examples), str(folder)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "model"


@pytest.mark.timeout(1800)
@pytest.mark.nightly(
    "imports TFX and Keras 2 in a process of its own, a minute; test_run_fn.py has a module without TFX"
)
def test_an_unmodified_tfx_module_trains_and_serves(tmp_path: Path) -> None:
    examples = _examples(tmp_path / "examples")
    model = _run_in_a_process(examples, tmp_path)
    assert (model / "model_run").is_dir()
    assert (model / "Format-Serving" / "assets.extra" / "features.json").is_file()
    serve = tf.saved_model.load(str(model / "Format-Serving")).signatures["serving_default"]
    (shard,) = (examples / "Split-validation").glob("*.gz")
    rows = next(iter(tf.data.TFRecordDataset(str(shard), "GZIP").batch(1000)))
    label = tf.io.parse_example(rows, {"species": tf.io.FixedLenFeature([], tf.int64)})["species"].numpy()
    (scores,) = serve(examples=rows).values()
    assert scores.shape == (len(label), 3)
    assert (np.argmax(scores.numpy(), axis=1) == label).mean() > 0.8
    decision = _served(model, examples, tmp_path)
    assert decision.is_open, decision


def _served(model: Path, examples: Path, folder: Path) -> Decision:
    """Ask a server of its own for real rows, as TFX's clients do: tf.Examples in base64."""
    predictor = Predictor(model / SERVING, "multiclass_classification")
    block = next(Splits(examples, read_schema(DATA / "schema" / "schema.pbtxt")).blocks("validation", 200))
    parity.write(folder, parity.choose(block.batch, predictor(block.serialized), {"species"}, 16))
    config = InfraConfig(startup_seconds=200, median_latency_ms=2000)
    return validate(config, model, folder, folder / "decision.json")


if __name__ == "__main__":
    _run(Path(sys.argv[1]), Path(sys.argv[2]))
