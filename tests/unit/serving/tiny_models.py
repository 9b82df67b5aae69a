"""Small SavedModels with the signatures that training exports, made without training."""

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

FEATURES = {
    "features": [
        {"name": "carrier", "dtype": "string", "required": True, "values": ["AA", "UA"]},
        {"name": "hour", "dtype": "int", "required": True},
        {"name": "distance", "dtype": "float", "required": True},
        {"name": "temp", "dtype": "float", "required": False},
    ],
    "label": "late",
    "task": "binary_classification",
}
ROW = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
PARSE = {
    "carrier": tf.io.FixedLenFeature([], tf.string, ""),
    "hour": tf.io.FixedLenFeature([], tf.int64, -1),
    "distance": tf.io.FixedLenFeature([], tf.float32, float("nan")),
    "temp": tf.io.FixedLenFeature([], tf.float32, float("nan")),
}


class Delay(tf.Module):
    """A logistic curve over hour and distance; a distance of 1e30 or more gives NaN, `bias` makes versions differ.

    It hangs, takes `turns` of a loop, or gives NaN from an hour on, if it is asked to.
    """

    def __init__(self, bias: float, hang: bool = False, turns: int = 0, fails_from: int = 24) -> None:
        super().__init__()
        self.bias = tf.Variable(bias)
        self.hang = hang
        self.turns = turns
        self.fails_from = fails_from

    def score(self, carrier: Any, hour: Any, distance: Any, temp: Any) -> Any:
        warm = tf.where(tf.math.is_nan(temp), 0.0, temp / 100.0)
        known = tf.cast(tf.equal(carrier, "AA"), tf.float32)
        steps = self.bias + tf.cast(hour, tf.float32) / 24.0 + distance / 5000.0 + warm + known
        steps = tf.where(distance >= 1e30, float("nan"), steps)
        if self.fails_from < 24:
            steps = tf.where(hour >= self.fails_from, float("nan"), steps)
        if self.turns:
            wait = tf.while_loop(lambda at, _: at < self.turns, lambda at, x: (at + 1, tf.sin(x)), (0, steps))[1]
            steps = steps + 0.0 * wait
        if self.hang:
            steps = tf.while_loop(lambda x: tf.reduce_all(x < 1e38), lambda x: (x * 1.0,), (steps,))[0]
        return tf.sigmoid(steps)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "carrier"),
            tf.TensorSpec([None], tf.int64, "hour"),
            tf.TensorSpec([None], tf.float32, "distance"),
            tf.TensorSpec([None], tf.float32, "temp"),
        ]
    )
    def serve(self, carrier: Any, hour: Any, distance: Any, temp: Any) -> Any:
        return {"predictions": self.score(carrier, hour, distance, temp)[:, tf.newaxis]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def classify(self, examples: Any) -> Any:
        score = self.score(**tf.io.parse_example(examples, PARSE))
        classes = tf.tile([["0", "1"]], [tf.shape(score)[0], 1])
        return {"classes": classes, "scores": tf.stack([1.0 - score, score], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def regress(self, examples: Any) -> Any:
        return {"outputs": self.score(**tf.io.parse_example(examples, PARSE))}


class Foreign(tf.Module):
    """What somebody else exported: a TFX run_fn's serving_default, and one with a matrix and two outputs."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serve(self, examples: Any) -> Any:
        parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})
        return {"outputs": parsed["x"][:, tf.newaxis] * 2.0}

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float32, "matrix"), tf.TensorSpec([None], tf.string, "word")]
    )
    def mixed(self, matrix: Any, word: Any) -> Any:
        return {"total": tf.reduce_sum(matrix, axis=1), "word_bytes": tf.strings.join([word, "!"])}


class Hourly(tf.Module):
    """A model of one required feature, the hour of a time, and of one that a row may lack."""

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int64, "sent_hour"), tf.TensorSpec([None], tf.float32, "weight")]
    )
    def serve(self, sent_hour: Any, weight: Any) -> Any:
        known = tf.where(tf.math.is_nan(weight), 0.0, weight)
        return {"predictions": (tf.cast(sent_hour, tf.float32) + known)[:, tf.newaxis]}


class Reader(tf.Module):
    """A model that would read a file of the machine that serves it."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "path")])
    def serve(self, path: Any) -> Any:
        return {"content": tf.map_fn(tf.io.read_file, path)}


def export_delay(folder: Path, bias: float, hang: bool = False, turns: int = 0, fails_from: int = 24) -> Path:
    module = Delay(bias, hang, turns, fails_from)
    tf.saved_model.save(
        module,
        str(folder),
        signatures={"serving_default": module.serve, "classify": module.classify, "regress": module.regress},
    )
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "features.json").write_text(json.dumps(FEATURES))
    (folder / "assets.extra" / "warm_up_rows.jsonl").write_text(json.dumps(ROW) + "\n")
    return folder


def export_foreign(folder: Path) -> Path:
    module = Foreign()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve, "mixed": module.mixed})
    return folder


def export_hourly(folder: Path) -> Path:
    module = Hourly()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    features = [
        {"name": "sent_hour", "dtype": "int", "required": True},
        {"name": "weight", "dtype": "float", "required": False},
    ]
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "features.json").write_text(
        json.dumps({"features": features, "label": "late", "task": "regression"})
    )
    return folder


def export_reader(folder: Path) -> Path:
    module = Reader()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder
