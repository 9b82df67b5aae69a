"""Modules in the form of TFX's taxi and mnist templates go from data to an answer over REST as they are."""

import base64
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from starlette.testclient import TestClient

from artifacts.model.label import read as read_label
from artifacts.model.names import SERVING
from components.evaluate_model.config import Config as EvaluateConfig
from components.evaluate_model.logic import Inputs as EvaluateInputs
from components.evaluate_model.logic import Outputs as EvaluateOutputs
from components.evaluate_model.logic import evaluate
from components.ingest_examples.config import Config as IngestConfig
from components.ingest_examples.logic import PinnedSource, ingest
from components.train_model.config import Config, RunFn
from components.train_model.logic import Inputs, Outputs, train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from components.validate_infra.config import Config as InfraConfig
from components.validate_infra.logic import validate
from core.errors import TrainingError
from serving.http.app import ServingApp
from serving.limits import Limits
from serving.metrics import Metrics
from serving.versions.loaded import load_version
from serving.versions.manager import ModelManager
from serving.versions.shelf import SavedModelShelf

pytest.importorskip("tf_keras")  # what TFX makes of tf.keras
pytestmark = pytest.mark.nightly("a minute of training")

TEMPLATES = Path(__file__).parent / "templates"
TAXI_SCHEMA = """
feature { name: "fare" type: FLOAT value_count { max: 1 } presence { min_fraction: 0 } }
feature { name: "trip_miles" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 1 } }
feature { name: "payment_type" type: BYTES value_count { min: 1 max: 1 } presence { min_fraction: 1 } }
feature { name: "company" type: BYTES value_count { max: 1 } presence { min_fraction: 0 } }
feature { name: "pickup_latitude" type: FLOAT value_count { max: 1 } presence { min_fraction: 0 } }
feature { name: "trip_start_hour" type: INT value_count { min: 1 max: 1 } presence { min_fraction: 1 } }
feature { name: "tips" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 1 } }
"""
MNIST_SCHEMA = """
feature { name: "image_floats" type: FLOAT shape { dim { size: 784 } } presence { min_fraction: 1 } }
feature { name: "image_class" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
"""


def _taxi_trips(folder: Path) -> str:
    """Write trips of which those by card are tipped for with a quarter of the fare; some cells are empty."""
    chance = random.Random(1)
    lines = ["fare,trip_miles,payment_type,company,pickup_latitude,trip_start_hour,tips"]
    for row in range(1200):
        by_card = chance.random() < 0.5
        fare = round(chance.uniform(5, 60), 2)
        company = "" if row % 5 == 0 else chance.choice(["Blue", "Yellow", f"Cab {row}"])
        place = "" if row % 9 == 0 else round(chance.uniform(41.7, 42.0), 4)
        kind, tips = ("Credit Card", round(fare * 0.25, 2)) if by_card else ("Cash", 0.0)
        lines.append(f"{fare},{chance.uniform(0, 20):.2f},{kind},{company},{place},{row % 24},{tips}")
    (folder / "1.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / "{SPAN}.csv")


def _pictures(folder: Path) -> str:
    """Write pictures of 28 x 28 numbers, each class with a bright band of its own."""
    chance = np.random.default_rng(1)
    labels = np.arange(800) % 10
    images = chance.uniform(-0.5, 0.0, (800, 784)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[label * 78 : label * 78 + 78] += 0.5
    columns = {"image_floats": pa.array(list(images), pa.list_(pa.float32())), "image_class": labels}
    pq.write_table(pa.table(columns), folder / "1.parquet")
    return str(folder / "{SPAN}.parquet")


class Road:
    """What the stages make of one module, stage by stage in this process."""

    def __init__(self, folder: Path, module: str, schema: str, pattern: str, problem: Mapping[str, Any]) -> None:
        self.folder, self.problem = folder, dict(problem)
        self.module, self.schema = str(TEMPLATES / module), str(folder / "schema.pbtxt")
        Path(self.schema).write_text(schema, encoding="utf-8")
        split = {"by": "hash", "validation": 10, "eval": 30}
        config = IngestConfig.model_validate({"format": pattern.rpartition(".")[2], "window": 1, "split": split})
        ingest(config, PinnedSource(pattern, 1, ""), self.schema, folder / "examples")
        inputs = TransformInputs(self.module, self.schema, folder / "examples")
        transform(TransformConfig(materialize=True), inputs, folder / "graph")

    def train(self, **run_fn: Any) -> Path:
        config = Config(**self.problem, run_fn=RunFn(train_steps=150, eval_steps=2, **run_fn))
        inputs = Inputs(self.module, self.schema, self.folder / "examples", self.folder / "graph")
        train(config, inputs, Outputs(self.folder / "model", lambda *_: None, self.folder / "training.html"))
        return self.folder / "model"

    def evaluate(self, metric: str) -> float:
        """Return what the gate measured; every gate up to the server's must open."""
        model, found, evaluation = self.folder / "model", dict[str, float](), self.folder / "evaluation"
        bound = {"name": metric, "at_least": 0.9, "why": "the data is made so"}
        config = EvaluateConfig.model_validate(self.problem | {"metrics": [bound], "min_examples": 100})
        decision = evaluate(
            config,
            EvaluateInputs(self.schema, self.folder / "examples", model),
            EvaluateOutputs(evaluation, self.folder / "d.json", self.folder / "p.html", found.__setitem__),
        )
        assert decision.is_open, decision
        served = validate(
            InfraConfig(startup_seconds=200, median_latency_ms=2000), model, evaluation, self.folder / "infra.json"
        )
        assert served.is_open, served
        return found[metric]

    def ask(self, rows: list[tf.train.Example]) -> Any:
        """Ask over REST as TFX's clients do: with serialized tf.Examples in base64."""
        metrics = Metrics()
        manager = ModelManager(SavedModelShelf("m", self.folder / "model" / SERVING), load_version, metrics)
        sent = [{"b64": base64.b64encode(row.SerializeToString()).decode()} for row in rows]
        with TestClient(ServingApp(manager, metrics, Limits()).asgi) as client:
            return client.post("/v1/models/m:predict", json={"instances": sent}).json()["predictions"]


@pytest.fixture
def road(tmp_path: Path) -> Callable[..., Road]:
    def start(module: str, schema: str, write: Callable[[Path], str], **problem: Any) -> Road:
        return Road(tmp_path, module, schema, write(tmp_path), problem)

    return start


def _trip(payment: str) -> tf.train.Example:
    """A trip without company and place, which the module fills in."""
    example = tf.train.Example()
    feature = example.features.feature
    feature["fare"].float_list.value.append(20.0)
    feature["trip_miles"].float_list.value.append(3.0)
    feature["payment_type"].bytes_list.value.append(payment.encode())
    feature["trip_start_hour"].int64_list.value.append(9)
    return example


def test_taxi_is_trained_evaluated_and_served_by_the_label_that_it_makes(road: Callable[..., Road]) -> None:
    taxi = road("taxi.py", TAXI_SCHEMA, _taxi_trips, label="tips", task="binary_classification")
    with pytest.raises(TrainingError, match=r"run_fn.label: .*got 'tip_xf'; did you mean 'tips_xf'"):
        taxi.train(label="tip_xf")
    label = read_label(taxi.train() / SERVING)
    assert label is not None
    assert label.source == "transformed"  # a tip of 3 is a big one or not by the fare
    assert taxi.evaluate("binary_accuracy") > 0.95
    (card,), (cash,) = taxi.ask([_trip("Credit Card"), _trip("Cash")])
    assert card > 0.5 > cash


def test_mnist_is_trained_evaluated_and_served_by_its_logits(road: Callable[..., Road]) -> None:
    mnist = road("mnist.py", MNIST_SCHEMA, _pictures, label="image_class", task="multiclass_classification")
    mnist.train()
    assert mnist.evaluate("sparse_categorical_accuracy") > 0.95
    rows = []
    for digit in range(10):
        image = np.full(784, -0.25, np.float32)
        image[digit * 78 : digit * 78 + 78] = 0.25
        rows.append(tf.train.Example())
        rows[-1].features.feature["image_floats"].float_list.value.extend(image.tolist())
    assert [int(np.argmax(scores)) for scores in mnist.ask(rows)] == list(range(10))
