"""One label everywhere: what a model was trained on is what it is evaluated by, and its classes keep their names."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from artifacts.model import label as label_file
from components.evaluate_model.config import Config as EvaluateConfig
from components.evaluate_model.logic import Inputs as EvaluateInputs
from components.evaluate_model.logic import Outputs as EvaluateOutputs
from components.evaluate_model.logic import evaluate
from components.train_model.config import Config
from components.train_model.logic import Inputs, Outputs, train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core.backends.registry import open_registry
from core.decision import Decision, Verdict
from core.errors import DataError, MlopsError, TrainingError
from tests.written_examples import write_examples
from training.labels import one_value

NUMBER = 'feature {{ name: "{}" type: {} presence {{ min_fraction: 1 }} shape {{ dim {{ size: 1 }} }} }}\n'
MODULE = """
import keras
import tensorflow as tf
import tensorflow_transform as tft

def model(outputs, activation, loss):
    u = keras.Input((1,), name="u")
    hidden = keras.layers.Dense(16, activation="relu")(u)
    built = keras.Model({{"u": u}}, keras.layers.Dense(outputs, activation=activation)(hidden))
    built.compile(keras.optimizers.Adam(0.02), loss)
    return built

def preprocessing_fn(inputs):
    return {{"u": inputs["u"]{label}}}

def build_model(transform_output, hyperparameters):
    return model({model})
"""
SOFTMAX = '{}, "softmax", "sparse_categorical_crossentropy"'
SIGMOID = '1, "sigmoid", "binary_crossentropy"'
WORDS = np.array(["calm", "brisk", "wild"])


class World(NamedTuple):
    """A use case in a folder: its rows, its schema and its module."""

    folder: Path
    config: dict[str, Any]
    kind: str

    def run(self, label: str, model: str, name: str = "model", champion: str = "", **more: Any) -> dict[str, Any]:
        """Transform, train and evaluate; returns `metrics.json` with the decision beside it."""
        return self.evaluate(self.train(label, model, name, **more), champion, **more)

    def train(self, label: str, model: str, name: str = "model", **more: Any) -> Path:
        """Transform and train; returns the model."""
        folder = self.folder
        (folder / f"{name}.py").write_text(MODULE.format(label=label, model=model) + more.get("module", ""))
        module, schema, examples = str(folder / f"{name}.py"), str(folder / "schema.pbtxt"), folder / "examples"
        graph, place = folder / f"{name}-graph", folder / name
        shutil.rmtree(graph, ignore_errors=True)
        transform(TransformConfig(), TransformInputs(module, schema, examples), graph)
        config = self.config | more
        fields = {key: value for key, value in config.items() if key in Config.model_fields}
        train(
            Config(epochs=12, batch_size=32, **fields),
            Inputs(module, schema, examples, graph),
            Outputs(place, lambda *_: None, place.with_suffix(".html")),
        )
        return place

    def evaluate(self, model: Path, champion: str = "", **more: Any) -> dict[str, Any]:
        config = self.config | more
        fields = {key: value for key, value in config.items() if key in EvaluateConfig.model_fields}
        out = model.with_name(f"{model.name}-evaluation")
        inputs = EvaluateInputs(
            str(self.folder / "schema.pbtxt"), self.folder / "examples", model, champion, str(self.folder / "registry")
        )
        outputs = EvaluateOutputs(out, out / "decision.json", out / "pictures.html", lambda *_: None)
        decision = evaluate(EvaluateConfig.model_validate(fields), inputs, outputs)
        return json.loads((out / "metrics.json").read_text()) | {"decision": decision}

    def publish(self, name: str) -> str:
        registry = open_registry(str(self.folder / "registry"))
        return registry.publish("m", self.folder / name / "Format-Serving", {}).reference


def make(folder: Path, task: str, kind: str, labels: Any, **config: Any) -> World:
    """Lay out rows whose label depends on `u`; `labels` makes them of `u` and a random generator."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    for seed, split in enumerate(("train", "validation", "eval")):
        random = np.random.default_rng(seed)
        u = random.uniform(-1, 1, 600 if split == "train" else 300).astype("float32")
        tables[split] = pa.table({"u": u, "v": random.uniform(1, 2, len(u)).astype("float32"), "y": labels(u, random)})
    write_examples(folder / "examples", tables)
    schema = NUMBER.format("u", "FLOAT") + NUMBER.format("v", "FLOAT") + NUMBER.format("y", kind)
    (folder / "schema.pbtxt").write_text(schema)
    metric = {"binary_classification": "auc", "multiclass_classification": "accuracy", "regression": "r2"}[task]
    bound = {"name": metric, "at_least": 0.7, "why": "measured on this world"}
    rule = {"metric": metric, "at_least_change": -0.1}
    return World(folder, {"label": "y", "task": task, "metrics": [bound], "change": [rule]} | config, kind)


def words(u: Any, _: Any) -> Any:
    return WORDS[np.digitize(u, [-0.4, 0.4])]


def yes_no(u: Any, _: Any) -> Any:
    return np.where(u > 0, "yes", "no")


def price(u: Any, random: Any) -> Any:
    return np.exp(5 + 3 * u + random.normal(0, 0.1, len(u))).astype("float32")


VOCABULARY = ', "y": tft.compute_and_apply_vocabulary(inputs["y"], vocab_filename="y")'


@pytest.mark.parametrize("label", ["", ', "y": inputs["y"]', VOCABULARY], ids=["dropped", "left alone", "vocabulary"])
def test_words_are_classes_from_training_to_the_answer(tmp_path: Path, label: str) -> None:
    world = make(tmp_path, "multiclass_classification", "BYTES", words, slices=[["y"]], min_slice_examples=10)
    found = world.run(
        label, SOFTMAX.format(3), baselines=[{"kind": "majority"}, {"kind": "linear", "must_beat": False}]
    )
    assert found["decision"].is_open, found["decision"].summary
    assert found["overall"]["candidate"]["accuracy"] > 0.9
    assert {one["name"] for one in found["classes"]} == set(WORDS)
    assert all(one["recall"] > 0.8 for one in found["classes"])
    assert {item["slice"]["y"] for item in found["slices"]} == set(WORDS)
    saved = tf.saved_model.load(str(tmp_path / "model" / "Format-Serving"))
    example = tf.train.Example()
    example.features.feature["u"].float_list.value.append(-0.9)
    example.features.feature["v"].float_list.value.append(1.0)
    answer = saved.signatures["classify"](examples=tf.constant([example.SerializeToString()]))
    assert answer["classes"].numpy()[0, int(np.argmax(answer["scores"].numpy()))] == b"calm"
    report = (tmp_path / "model-evaluation" / "pictures.html").read_text()
    assert "Confusion matrix" in report
    assert "brisk" in report


def test_two_words_need_to_know_which_one_is_looked_for(tmp_path: Path) -> None:
    world = make(tmp_path, "binary_classification", "BYTES", yes_no)
    with pytest.raises(TrainingError, match=r"problem\.positive: wanted the positive class, 'no' or 'yes'"):
        world.run("", SIGMOID)
    with pytest.raises(TrainingError, match="did you mean 'yes'"):
        world.run("", SIGMOID, positive="yess")
    found = world.run("", SIGMOID, positive="no")
    assert found["overall"]["candidate"]["auc"] > 0.95
    label = label_file.read(tmp_path / "model" / "Format-Serving")
    assert label is not None
    assert label.classes == ("yes", "no")
    mapped = ', "y": tf.cast(inputs["y"] == "yes", tf.int64)'
    with pytest.raises(TrainingError, match="wanted 'no' to be class 1, but in preprocessing_fn class 1 is 'yes'"):
        world.run(mapped, SIGMOID, positive="no")
    assert world.run(mapped, SIGMOID)["overall"]["candidate"]["auc"] > 0.95


def test_a_champion_is_compared_class_by_class_by_name(tmp_path: Path) -> None:
    world = make(tmp_path, "multiclass_classification", "BYTES", words)
    order = ', "y": tf.cast(tf.argmax(tf.stack([inputs["y"] == w for w in ({})], 0), 0), tf.int64)'
    world.train(order.format('"wild", "calm", "brisk"'), SOFTMAX.format(3), "first")
    champion = world.publish("first")
    found = world.run(order.format('"brisk", "wild", "calm"'), SOFTMAX.format(3), "second", champion)
    assert found["decision"].is_open, found["decision"].summary
    assert found["overall"]["champion"]["accuracy"] > 0.9
    two = ', "y": tf.cast(inputs["y"] == "wild", tf.int64)'
    world.train(two, SOFTMAX.format(2), "fewer")
    against = world.evaluate(tmp_path / "second", world.publish("fewer"))
    assert against["decision"].verdict is Verdict.UNDECIDED
    assert "its classes are not the candidate's" in against["champion"]["fault"]


def test_a_regression_is_evaluated_in_the_unit_that_it_answers_in(tmp_path: Path) -> None:
    world = make(tmp_path, "regression", "FLOAT", price)
    log = ', "y": tf.math.log(inputs["y"])'
    inverse = "\ndef label_to_business_unit(label, transform_output):\n    return tf.exp(label)\n"
    trained = world.run(log, '1, None, "mse"', "logs")
    assert trained["decision"].is_open, trained["decision"].summary
    assert trained["unit"] == "of the transformed label"
    assert trained["overall"]["candidate"]["root_mean_squared_error"] < 1
    business = world.run(log, '1, None, "mse"', "money", module=inverse)
    assert business["overall"]["candidate"]["r2"] > 0.7
    assert business["overall"]["candidate"]["root_mean_squared_error"] > 10
    against = world.evaluate(tmp_path / "money", world.publish("logs"))
    assert "declare label_to_business_unit" in against["champion"]["fault"]
    with pytest.raises(TrainingError, match="wanted the raw label 'y' back from the transformed one"):
        world.run(log, '1, None, "mse"', "wrong", module=inverse.replace("tf.exp(label)", "label + 1"))


def test_a_label_of_several_features_is_read_from_the_transform(tmp_path: Path) -> None:
    """As TFX's taxi makes it: a large tip is one of more than a fifth of the fare."""
    world = make(tmp_path, "binary_classification", "FLOAT", lambda u, _: (u + 2).astype("float32"))
    label = ', "y": tf.cast(inputs["y"] / inputs["v"] > 1.4, tf.int64)'
    found = world.run(label, SIGMOID)
    assert found["decision"].is_open, found["decision"].summary
    assert found["overall"]["candidate"]["auc"] > 0.8


def test_logits_are_answered_as_probabilities(tmp_path: Path) -> None:
    world = make(tmp_path, "multiclass_classification", "BYTES", words)
    found = world.run("", "3, None, keras.losses.SparseCategoricalCrossentropy(from_logits=True)")
    assert found["decision"].is_open, found["decision"].summary
    assert found["output"] == {"candidate": "probabilities"}


BAD: dict[str, tuple[str, str, Any, str, str, dict[str, Any]]] = {
    "a class too many": (
        "multiclass_classification", "INT", lambda u, _: np.digitize(u, [-0.4, 0.4]), SOFTMAX.format(2),
        r"whole numbers from 0 to 1, as the model has 2 outputs, got 2 \(", {},
    ),
    "no number": ("regression", "BYTES", words, '1, None, "mse"', "wanted numbers for a regression, got text", {}),
    "not finite": (
        "regression", "FLOAT", lambda u, _: np.where(u > 0.5, np.nan, u).astype("float32"), '1, None, "mse"',
        "wanted a finite label", {},
    ),
    "two outputs": (
        "binary_classification", "INT", lambda u, _: (u > 0).astype(int), SOFTMAX.format(2),
        "wanted a model with one output", {},
    ),
    "an unknown class's weight": (
        "multiclass_classification", "BYTES", words, SOFTMAX.format(3), "'wilt' is no class; did you mean 'wild'",
        {"class_weights": {"wilt": 2}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_labels_that_cannot_work_are_refused_before_training(tmp_path: Path, case: str) -> None:
    task, kind, labels, model, named, more = BAD[case]
    world = make(tmp_path, task, kind, labels)
    with pytest.raises((TrainingError, DataError, MlopsError), match=named):
        world.run("", model, **more)
    assert not (tmp_path / "model" / "Format-Serving").exists()


def test_several_labels_a_row_are_refused_by_name() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([[b"a", b"b"], [b"a"]], pa.large_list(pa.large_binary()))], ["y"])
    with pytest.raises(TrainingError, match="multi-label"):
        one_value(batch, "y")
    batch = pa.RecordBatch.from_arrays([pa.array([[b"a"], None], pa.large_list(pa.large_binary()))], ["y"])
    with pytest.raises(TrainingError, match="got 1 of 2 rows without"):
        one_value(batch, "y")


def test_weights_move_training_and_every_number(tmp_path: Path) -> None:
    """Rows of one half count for nothing: the model and the numbers are those of the other half."""
    random_half = lambda u, random: np.where(random.random(len(u)) < 0.5, u > 0, u < 0).astype(int)  # noqa: E731
    world = make(tmp_path, "binary_classification", "INT", random_half)
    rows = {split: 600 if split == "train" else 300 for split in ("train", "validation", "eval")}
    tables = {}
    for seed, (split, count) in enumerate(rows.items()):
        u = np.random.default_rng(seed).uniform(-1, 1, count).astype("float32")
        heavy = np.arange(count) % 2 == 0
        y = np.where(heavy, u > 0, u < 0).astype(int)
        tables[split] = pa.table({"u": u, "v": heavy.astype("float32"), "y": y})
    write_examples(tmp_path / "weighted", tables)
    (tmp_path / "examples").rename(tmp_path / "unweighted")
    (tmp_path / "weighted").rename(tmp_path / "examples")
    found = world.run("", SIGMOID, weight="v", baselines=[{"kind": "linear", "must_beat": False}])
    assert found["weight"] == "v"
    assert found["overall"]["candidate"]["auc"] > 0.99
    assert found["skill"]["candidate"] == pytest.approx(found["overall"]["candidate"]["auc"], abs=1e-3)
    assert found["overall"]["candidate"]["weighted_example_count"] == 150
    assert found["comparisons"][0]["skill"] > 0.99
    features = json.loads((tmp_path / "model" / "Format-Serving" / "assets.extra" / "features.json").read_text())
    assert [feature["name"] for feature in features["features"]] == ["u"]
    lines = (tmp_path / "model-evaluation" / "parity.jsonl").read_text().splitlines()
    assert set(json.loads(lines[0])["instance"]) == {"u"}


def test_class_weights_move_the_mean_prediction(tmp_path: Path) -> None:
    world = make(tmp_path, "binary_classification", "INT", lambda u, random: (random.random(len(u)) < 0.1).astype(int))
    means = {}
    for name, weights in (("plain", None), ("balanced", "balanced"), ("named", {"1": 9.0})):
        found = world.run("", SIGMOID, name, class_weights=weights)
        means[name] = found["overall"]["candidate"]["mean_prediction"]
    assert means["plain"] == pytest.approx(0.1, abs=0.05)
    assert means["balanced"] == pytest.approx(0.5, abs=0.1)
    assert means["named"] == pytest.approx(0.5, abs=0.1)


def test_a_decision_is_written_for_every_run(tmp_path: Path) -> None:
    world = make(tmp_path, "regression", "FLOAT", lambda u, _: u)
    world.run("", '1, None, "mse"')
    assert Decision.read(tmp_path / "model-evaluation" / "decision.json").gate == "evaluate_model"
    assert "and residuals" in (tmp_path / "model-evaluation" / "pictures.html").read_text()
