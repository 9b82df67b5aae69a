"""Fashion-MNIST, the series' own network, compressed by the stages' own functions and by the peer."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path("/usr/share/datasets/fashion-mnist")
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
EPOCHS, EXTRA_EPOCHS, BATCH = 4, 2, 128
"""Of the training, of pruning and quantization-aware training, for this project and for the peer."""

SCHEMA = """
feature { name: "image" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "article" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
"""
MODULE = """
import keras
import tensorflow as tf


def preprocessing_fn(inputs):
    pixels = tf.io.decode_raw(tf.reshape(inputs["image"], [-1]), tf.uint8, fixed_length=784)
    return {"pixels": tf.cast(pixels, tf.float32) / 255.0, "article": inputs["article"]}


def build_model(transform_output, hyperparameters):
    pixels = keras.Input((784,), name="pixels", dtype="float32")
    hidden = keras.layers.Reshape((28, 28, 1))(pixels)
    hidden = keras.layers.Conv2D(12, 3, activation="relu", name="filters")(hidden)
    hidden = keras.layers.Flatten()(keras.layers.MaxPooling2D()(hidden))
    model = keras.Model({"pixels": pixels}, keras.layers.Dense(10, activation="softmax", name="article")(hidden))
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[accuracy], jit_compile=False)
    return model
"""


def is_there(source: Path) -> bool:
    """Whether a folder has the data set."""
    return any((source / f"{_FILES[0]}{ending}").is_file() for ending in ("", ".gz"))


def compressed(source: Path, variants: Sequence[str], folder: Path) -> dict[str, Any]:
    """Train the series' network on Fashion-MNIST with the stages' own functions, and compress it."""
    from components.compress_model.config import Config
    from components.compress_model.logic import Inputs, Outputs, compress
    from components.train_model.config import Config as TrainConfig
    from components.train_model.logic import Inputs as TrainInputs
    from components.train_model.logic import Outputs as TrainOutputs
    from components.train_model.logic import train
    from components.transform_features.config import Config as TransformConfig
    from components.transform_features.logic import Inputs as TransformInputs
    from components.transform_features.logic import transform

    (folder / "schema.pbtxt").write_text(SCHEMA)
    (folder / "module.py").write_text(MODULE)
    arrays = read(source)
    np.savez(folder / "fashion.npz", *arrays)
    examples = _examples(arrays, folder)
    module, schema = str(folder / "module.py"), str(folder / "schema.pbtxt")
    graph, trained = folder / "graph", folder / "trained"
    transform(TransformConfig(), TransformInputs(module, schema, examples), graph)
    problem = {"label": "article", "task": "multiclass_classification"}
    training = {**problem, "epochs": EPOCHS, "batch_size": BATCH, "early_stopping": {"patience": EPOCHS}, "seed": 1}
    outputs = TrainOutputs(trained, lambda name, value: None, folder / "training.html")  # noqa: ARG005
    train(TrainConfig.model_validate(training), TrainInputs(module, schema, examples, graph), outputs)
    metric = {"name": "sparse_categorical_accuracy", "at_least": 0.8, "why": "the series reaches 0.86"}
    config = Config.model_validate(
        {**problem, "metrics": [metric], "ship": "pruned+dynamic_range", "also": variants, "epochs": EXTRA_EPOCHS}
    )
    written = Outputs(*(folder / name for name in ("compressed", "compression", "decision.json", "pictures.html")))
    started = time.monotonic()
    compress(config, Inputs(training, {}, module, schema, examples, graph, trained), written)
    content: dict[str, Any] = json.loads((folder / "compression" / "compression.json").read_text())
    return content | {"seconds": time.monotonic() - started}


def by_the_peer(folder: Path) -> dict[str, Any]:
    """Run tfmot on the same arrays in a process with tf-keras; returns what it measured."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.compression.peer", str(folder / "fashion.npz")],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"the peer failed; install it with `make peers`: {ran.stderr[-2000:]}")
    content: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return content


def read(source: Path) -> list[NDArray[np.uint8]]:
    """Return images [rows, 784] and labels [rows], of training and of test."""
    found = []
    for name in _FILES:
        packed = source / f"{name}.gz"
        content = gzip.decompress(packed.read_bytes()) if packed.is_file() else (source / name).read_bytes()
        images = name.endswith("idx3-ubyte")
        values = np.frombuffer(content, np.uint8, offset=16 if images else 8)
        found.append(values.reshape(-1, 784) if images else values)
    return found


def _examples(arrays: list[NDArray[np.uint8]], folder: Path) -> Path:
    import pyarrow_hotfix  # noqa: F401
    import pyarrow as pa

    from artifacts.examples.encoder import encode
    from artifacts.examples.manifest import ExamplesManifest
    from artifacts.examples.writer import Block, SpanWriter

    images, labels, test_images, test_labels = arrays
    parts = {
        "train": (images[:54_000], labels[:54_000]),
        "validation": (images[54_000:], labels[54_000:]),
        "eval": (test_images, test_labels),
    }
    shards = []
    for split, (pixels, articles) in parts.items():
        columns = {
            "image": pa.array([row.tobytes() for row in pixels], pa.binary()),
            "article": pa.array(articles.astype(np.int64)),
        }
        batch = pa.RecordBatch.from_pydict(columns)
        with SpanWriter(folder / "examples", 1, ((split, 100.0),)) as writer:
            writer.write(Block(encode(batch), batch))
            shards += writer.finish()
    ExamplesManifest(
        source="Fashion-MNIST", data="", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=tuple(shards)
    ).write(folder / "examples")
    return folder / "examples"
