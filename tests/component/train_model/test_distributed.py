"""Several processes give the weights of one on the same batches, wherever they are started and whichever dies."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pytest
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))

from test_train_model import PREPROCESSING, SCHEMA, World, _config, _flights, _weights

from artifacts.model.features import read_features
from artifacts.model.request import tensors
from components.train_model import launching
from components.train_model.config import Config
from components.train_model.logic import Inputs, Outputs, train
from components.train_model.this_process import train_here
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core import objects
from core.errors import TrainingError
from core.object_stores import locations
from core.worker_jobs import job, training_operator
from tests.free_port import free_port
from tests.written_examples import write_spans
from training.distributed.members import Member

ONE = Member(0, 1)
TOGETHER = {"workers": 2}
WITHOUT_CHANCE = """
def build_model(transform_output, hyperparameters):
    names = ("distance", "gust", "gate", "tail")
    inputs = {name: keras.Input((1,), name=name) for name in names}
    inputs["carrier"] = keras.Input((1,), name="carrier", dtype="int64")
    size = transform_output.vocabulary_size_by_name("carrier") + 1
    carrier = keras.layers.Flatten()(keras.layers.Embedding(size, 2, name="carriers")(inputs["carrier"]))
    hidden = keras.layers.Concatenate()([carrier] + [inputs[name] for name in names])
    hidden = keras.layers.Dense(8, activation="tanh", kernel_regularizer="l2", name="hidden")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden))
    model.compile(
        keras.optimizers.Adam(0.01),
        "binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
        weighted_metrics=[keras.metrics.AUC(name="w_auc"), keras.metrics.BinaryAccuracy(name="w_accuracy")],
    )
    return model
"""
DIES_ONCE = """
import json
import os
import pathlib

class Die(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        marker = pathlib.Path({marker!r})
        if epoch == 1 and json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1 and not marker.exists():
            marker.touch()
            os._exit(9)

def callbacks(hyperparameters):
    return [Die()] if "TF_CONFIG" in os.environ else []
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Five shards of different sizes, so that two parts have different numbers of rows."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    sizes = {1: (311, 60), 2: (290, 71), 3: (402, 50), 4: (275, 44), 5: (222, 75)}
    spans = {
        span: {"train": _flights(rows, span), "validation": _flights(held, 100 + span)}
        for span, (rows, held) in sizes.items()
    }
    world = World(folder, write_spans(folder / "examples", spans), folder / "graph")
    inputs = world.inputs(module=PREPROCESSING + WITHOUT_CHANCE)
    transform(TransformConfig(), TransformInputs(inputs.module, inputs.schema, world.examples), world.graph)
    return world


class Trained:
    """What came out of one training."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics: dict[str, float] = {}
        self.outputs = Outputs(folder, self.metrics.__setitem__, folder.with_suffix(".html"))

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "training.json").read_text()))

    def answers(self) -> Any:
        served = tf.saved_model.load(str(self.folder / "Format-Serving")).signatures["serving_default"]
        found = {}
        for feature in read_features(self.folder / "Format-Serving").features:
            found |= tensors(feature, {"carrier": ["A"], "tail": ["N1"]}.get(feature.name, [1]))
        return served(**found)["predictions"].numpy()


def _inputs(world: World, name: str = "module", more: str = "", **changes: Any) -> Inputs:
    return world.inputs(name, PREPROCESSING + WITHOUT_CHANCE + more, **changes)


def _settings(**changes: Any) -> Config:
    return _config(**{"distribution": TOGETHER, "batch_size": 128, "class_weights": {"0": 1.0, "1": 3.0}, **changes})


def one(world: World, folder: Path, **changes: Any) -> Trained:
    """Train in this process on the batches that two processes have."""
    trained = Trained(folder)
    train_here(_settings(**changes), _inputs(world), trained.outputs, ONE)
    return trained


def same(ours: Trained, theirs: Trained) -> None:
    """Weights differ by the order in which floats are added alone; so do losses and metrics."""
    mine, others = _weights(ours.folder), _weights(theirs.folder)
    assert mine.keys() == others.keys()
    for name, weight in mine.items():
        np.testing.assert_allclose(others[name], weight, rtol=0, atol=1e-4, err_msg=name)
    assert ours.metrics.keys() == theirs.metrics.keys()
    for name, value in ours.metrics.items():
        assert theirs.metrics[name] == pytest.approx(value, abs=1e-4), name
    for name in ("rows", "validation rows", "epochs", "best epoch", "parameters"):
        assert ours.record[name] == theirs.record[name], name
    np.testing.assert_allclose(theirs.answers(), ours.answers(), atol=1e-4)


def test_one_process_trains_on_all_parts(world: World, tmp_path: Path) -> None:
    found = one(world, tmp_path / "one")
    assert found.record["rows"] == 1500
    assert found.record["validation rows"] == 300
    assert found.metrics["val_auc"] > 0.7, "as good as a training on batches of other rows"
    assert found.answers().shape == (1, 1)


def test_parts_without_rows_for_each_step_are_an_error(world: World, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="deliver shards of about equal size"):
        one(world, tmp_path / "many", distribution={"workers": 9})


@pytest.mark.nightly("processes that import TensorFlow")
def test_two_processes_give_the_weights_of_one(world: World, tmp_path: Path) -> None:
    theirs = Trained(tmp_path / "two")
    train(_settings(), _inputs(world), theirs.outputs)
    assert theirs.metrics["w_accuracy"] > 0.5
    same(one(world, tmp_path / "one"), theirs)


@pytest.mark.nightly("processes that import TensorFlow, twice")
def test_a_process_that_dies_is_started_again_and_the_weights_are_the_same(world: World, tmp_path: Path) -> None:
    theirs, marker = Trained(tmp_path / "two"), tmp_path / "died"
    inputs = _inputs(world, "dies", DIES_ONCE.format(marker=str(marker)))
    train(_settings(), inputs, theirs.outputs)
    assert marker.exists()
    same(one(world, tmp_path / "one"), theirs)


@pytest.mark.nightly("processes that import TensorFlow")
def test_a_fault_in_the_rows_of_one_process_is_the_error_of_the_step(world: World, tmp_path: Path) -> None:
    spans = {span: {"train": _flights(300, span), "validation": _flights(50, 9)} for span in (1, 2)}
    examples = write_spans(tmp_path / "examples", spans)
    shard = next(path for path in sorted(examples.rglob("*")) if "span-00002" in path.name and "train" in str(path))
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(TrainingError, match="span-00002"):
        train(_settings(), _inputs(world, examples=examples), Trained(tmp_path / "two").outputs)


class Operator:
    """Does what the Training Operator does: starts a job's processes, and says what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def create_namespaced_custom_object(self, *where: Any) -> None:
        replicas = where[-1]["spec"]["tfReplicaSpecs"]
        cluster = {
            kind.lower(): [f"localhost:{free_port()}" for _ in range(spec["replicas"])]
            for kind, spec in replicas.items()
        }
        for kind, spec in replicas.items():
            (container,) = spec["template"]["spec"]["containers"]
            for index in range(spec["replicas"]):
                task = {"cluster": cluster, "task": {"type": kind.lower(), "index": index}}
                own = {**os.environ, "TF_CONFIG": json.dumps(task), "PYTHONPATH": str(Path.cwd())}
                place = self.folder / f"{kind}-{index}"
                place.mkdir()
                command = [sys.executable, *container["command"][1:]]
                self.processes.append(subprocess.Popen(command, env=own, cwd=place))

    def get_namespaced_custom_object(self, *_: Any) -> dict[str, Any]:
        codes = [process.poll() for process in self.processes]
        state = "Failed" if any(codes) else "Succeeded" if codes[0] == 0 else "Running"
        return {"status": {"conditions": [{"type": state, "status": "True"}]}}

    def delete_namespaced_custom_object(self, *_: Any) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
            process.wait()


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    found = Operator(tmp_path)
    monkeypatch.setattr(training_operator, "_connected", lambda: found)
    monkeypatch.setattr(training_operator, "_namespace", lambda: "kubeflow")
    monkeypatch.setattr(launching, "world", lambda _: "kfp")
    monkeypatch.setenv(job.IMAGE, "registry/tfx@sha256:0")
    yield found
    found.delete_namespaced_custom_object()


@pytest.mark.nightly("processes that import TensorFlow")
def test_processes_elsewhere_read_and_write_the_object_store(
    world: World, tmp_path: Path, bucket: str, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Kubeflow Pipelines, the step has a copy of each artifact under a path that is its address."""
    monkeypatch.setattr(locations, "MOUNTS", {f"{tmp_path}/mount/": "s3://"})
    mount = tmp_path / "mount" / bucket.removeprefix("s3://")
    for folder in (world.examples, world.graph):
        for name in locations.files(folder):
            objects.write(f"{bucket}/{folder.name}/{name}", (folder / name).read_bytes())
    inputs = _inputs(world, examples=mount / "examples", transform_graph=mount / "graph")
    theirs = Trained(mount / "model")
    train(_settings(distribution=TOGETHER | {"kfp": {}}), inputs, theirs.outputs)
    same(one(world, tmp_path / "one"), theirs)
    assert not [entry for entry in objects.walk(bucket) if ".training-" in entry.address]
    assert theirs.outputs.pictures.exists()  # type: ignore[union-attr]
