"""Compression beside tfmot, in one run: flights, digits and spam by `mlops compress`, and Fashion-MNIST by both.

    make peers
    python -m benchmarks.compression [--fashion FOLDER] [--usecases flight_delay,digits,spam] [--out FILE]

Fashion-MNIST is read from FOLDER with its four files, as Debian's package dataset-fashion-mnist installs them; without
it only the use cases are measured. The network is the series' own: 12 filters, pooling, a dense layer; 20,410 weights.
The peer, tensorflow-model-optimization, works on tf-keras alone and runs in a process of its own.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FASHION = Path("/usr/share/datasets/fashion-mnist")
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
EPOCHS, EXTRA_EPOCHS, BATCH = 4, 2, 128
"""Of the training, of pruning and quantization-aware training, for this project and for the peer."""
VARIANTS = ("float16", "dynamic_range", "int8", "qat", "pruned", "pruned+dynamic_range", "pruned+qat")
SECONDS = 15.0
"""For four variants that need no training, their float32 reference included."""
MOST_LOST, MOST_LOST_BY_A_SLICE = 0.001, 0.005
PRUNED, PRUNED_AND_QUANTIZED = 3.0, 9.0
"""How many times smaller than the uncompressed file, gzip to gzip."""
MOST_LOST_TO_CONTROL = 0.02

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


def main() -> None:
    """Measure, print, keep as JSON, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression", description=__doc__)
    parser.add_argument("--fashion", type=Path, default=FASHION, help=f"folder of Fashion-MNIST (default: {FASHION})")
    parser.add_argument("--usecases", default="flight_delay,digits,spam", help="which use cases; empty: none")
    parser.add_argument("--no-peer", action="store_true", help="without tfmot")
    parser.add_argument("--out", type=Path, help="where to keep the numbers")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="compression-") as folder:
        for name in filter(None, asked.usecases.split(",")):
            found[name] = usecase(name, Path(folder))
            print(table(name, found[name]), flush=True)
        if (asked.fashion / f"{_FILES[0]}.gz").is_file() or (asked.fashion / _FILES[0]).is_file():
            found["fashion"] = fashion(asked.fashion, Path(folder))
            print(table("Fashion-MNIST", found["fashion"]), flush=True)
            if not asked.no_peer:
                found["tfmot"] = peer(Path(folder))
                print(peer_table(found["tfmot"]), flush=True)
        else:
            print(f"no Fashion-MNIST in {asked.fashion}: not measured")
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    goals = list(kept(found))
    for name, holds in goals:
        print(f"{'kept  ' if holds else 'MISSED'} {name}")
    sys.exit(0 if all(holds for _, holds in goals) else 1)


def usecase(name: str, folder: Path) -> dict[str, Any]:
    """Run `mlops compress` on a use case in a store of its own; returns its compression."""
    also = [option for one in VARIANTS for option in ("--also", one) if one != "dynamic_range"]
    ran = subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", "compress", name, "--ship", "dynamic_range", *also, "--json"],
        env={**os.environ, "MLOPS_HOME": str(folder / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answered: dict[str, Any] = json.loads(ran.stdout)
    except ValueError:
        raise RuntimeError(f"mlops compress {name}: {ran.stderr[-2000:]}") from None
    if answered["compression"] is None:
        raise RuntimeError(f"mlops compress {name}: {answered}")
    compression: dict[str, Any] = answered["compression"]
    return compression


def fashion(source: Path, folder: Path) -> dict[str, Any]:
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
    arrays = read_fashion(source)
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
        {**problem, "metrics": [metric], "ship": "pruned+dynamic_range", "also": VARIANTS, "epochs": EXTRA_EPOCHS}
    )
    compressed = Outputs(*(folder / name for name in ("compressed", "compression", "decision.json", "pictures.html")))
    started = time.monotonic()
    compress(config, Inputs(training, {}, module, schema, examples, graph, trained), compressed)
    content: dict[str, Any] = json.loads((folder / "compression" / "compression.json").read_text())
    return content | {"seconds": time.monotonic() - started}


def peer(folder: Path) -> dict[str, Any]:
    """Run tfmot on the same arrays in a process with tf-keras; returns what it measured."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.compression_peer", str(folder / "fashion.npz")],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"the peer failed; install it with `make peers`: {ran.stderr[-2000:]}")
    content: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return content


def read_fashion(source: Path) -> list[NDArray[np.uint8]]:
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


def table(title: str, found: Mapping[str, Any]) -> str:
    """Return a compression as a table in Markdown."""
    metric = found["metric"]
    lines = [
        f"\n### {title}, {found['rows']:,} rows\n",
        f"| variant | format | bytes | gzip | a row us | 1000 rows us | {metric} | lost | worst slice lost | parity |",
        "|---|---|---|---|---|---|---|---|---|---|",
        _line("uncompressed", "SavedModel of the body", found["uncompressed"], None),
    ]
    for one in found["variants"]:
        if one["fault"]:
            lines.append(f"| {one['name']} | {one['signal'] or one['fault'][:80]} |||||||||")
            continue
        for name, form in (("SavedModel", one["saved_model"]), ("TFLite", one["tflite"])):
            lines.append(_line(one["name"], name, form, one["parity"]))
        if one["sparse"]:
            lines.append(
                f"| {one['name']} | TFLite, sparse | {one['sparse']['raw']:,} | {one['sparse']['gzip']:,} |||||||"
            )
    if found["control"]:
        control = found["control"]
        lines.append(f"| control, {control['epochs']} more epochs | |||||  {control['value']:.4f} ||||")
    return "\n".join(lines)


def _line(name: str, title: str, form: Mapping[str, Any], parity: Mapping[str, Any] | None) -> str:
    overall, *slices = form["losses"]
    worst = max((one["loss"] for one in slices if one["loss"] is not None), default=None)
    numbers = [overall["value"], overall["loss"], worst]
    shown = " | ".join("-" if one is None else f"{one:.5f}" for one in numbers)
    latency, size = form["latency"], form["size"]
    same = "" if parity is None else f"{parity['agreement']:.2%}, {parity['max_difference']:.1e}"
    times = f"{latency['row_us']:.1f} | {latency['thousand_rows_us']:.0f}"
    return f"| {name} | {title} | {size['raw']:,} | {size['gzip']:,} | {times} | {shown} | {same} |"


def peer_table(found: Mapping[str, Any]) -> str:
    """Return what tfmot reached as a table in Markdown."""
    lines = [
        "\n### tfmot on tf-keras, the same network and epochs\n",
        "| variant | bytes | gzip | accuracy |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one['name']} | {one['raw']:,} | {one['gzip']:,} | {one['accuracy']:.4f} |" for one in found["variants"]
    ]
    return "\n".join([*lines, f"\n{found['seconds']:.0f} s"])


def kept(found: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield each goal and whether it was kept."""
    if "flight_delay" in found:
        flights = found["flight_delay"]
        variants = {one["name"]: one for one in flights["variants"]}
        seconds = sum(variants[name]["seconds"] for name in ("float32", "float16", "dynamic_range", "int8"))
        yield f"flights: four variants are converted within {SECONDS:g} s ({seconds:.1f} s)", seconds <= SECONDS
        for name in ("float16", "dynamic_range", "int8"):
            overall, *slices = variants[name]["tflite"]["losses"]
            worst = max(one["loss"] for one in slices)
            holds = overall["loss"] <= MOST_LOST and worst <= MOST_LOST_BY_A_SLICE
            yield f"flights: {name} loses {overall['loss']:.5f}, the worst slice {worst:.5f}", holds
    if "fashion" in found:
        images = found["fashion"]
        variants = {one["name"]: one for one in images["variants"]}
        plain, control = variants["float32"]["tflite"]["size"]["gzip"], images["control"]["value"]
        for name, wanted in (("pruned", PRUNED), ("pruned+dynamic_range", PRUNED_AND_QUANTIZED)):
            form = variants[name]["tflite"]
            smaller, lost = plain / form["size"]["gzip"], control - form["losses"][0]["value"]
            holds = smaller >= wanted and lost <= MOST_LOST_TO_CONTROL
            yield f"images: {name} is {smaller:.1f} times smaller and loses {lost:.4f} to the control", holds


if __name__ == "__main__":
    main()
