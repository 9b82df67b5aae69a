"""The peer of `benchmarks.compression`: tensorflow-model-optimization on tf-keras, with the same network and epochs."""

import gzip
import json
import sys
import tempfile
import time
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from tensorflow_model_optimization.python.core.sparsity.keras import prune, pruning_schedule, pruning_wrapper

from benchmarks.compression.fashion import BATCH, EPOCHS, EXTRA_EPOCHS

Arrays = dict[str, Any]


def main() -> None:
    """Train, prune and quantize; print one line of JSON."""
    started = time.monotonic()
    with np.load(sys.argv[1], allow_pickle=False) as file:
        images, labels, test_images, test_labels = (file[f"arr_{index}"] for index in range(4))
    arrays = {
        "train": (images[:54_000].reshape(-1, 28, 28, 1).astype(np.float32) / 255, labels[:54_000]),
        "test": (test_images.reshape(-1, 28, 28, 1).astype(np.float32) / 255, test_labels),
    }
    tf_keras.utils.set_random_seed(1)
    model = _network()
    _fit(model, arrays, EPOCHS)
    found = [_measured("float32", model, arrays), _measured("dynamic_range", model, arrays, quantized=True)]
    weights = model.get_weights()
    control = _network()
    control.set_weights(weights)
    _fit(control, arrays, EXTRA_EPOCHS)
    found.append(_measured("control", control, arrays))
    pruned = _pruned(weights, arrays)
    found += [_measured("pruned", pruned, arrays), _measured("pruned+dynamic_range", pruned, arrays, quantized=True)]
    for name, start, annotate in (
        ("qat", weights, tfmot.quantization.keras.quantize_model),
        ("pruned+qat", pruned.get_weights(), _preserving),
    ):
        aware = annotate(_with(start))
        _compile(aware)
        _fit(aware, arrays, EXTRA_EPOCHS)
        found.append(_measured(name, aware, arrays, quantized=True))
    print(json.dumps({"variants": found, "seconds": time.monotonic() - started}))


def _network() -> Any:
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.InputLayer((28, 28, 1)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    _compile(model)
    return model


def _compile(model: Any) -> None:
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])


def _with(weights: list[Any]) -> Any:
    model = _network()
    model.set_weights(weights)
    return model


def _fit(model: Any, arrays: Arrays, epochs: int, callbacks: tuple[Any, ...] = ()) -> None:
    model.fit(*arrays["train"], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks))


def _pruned(weights: list[Any], arrays: Arrays) -> Any:
    steps = -(-len(arrays["train"][1]) // BATCH) * EXTRA_EPOCHS
    schedule = pruning_schedule.PolynomialDecay(0.5, 0.8, 0, int(steps * 0.75), frequency=20)
    model = prune.prune_low_magnitude(_with(weights), schedule)
    _compile(model)
    _fit(model, arrays, EXTRA_EPOCHS, (tfmot.sparsity.keras.UpdatePruningStep(),))
    stripped = prune.strip_pruning(model)
    assert not any(isinstance(layer, pruning_wrapper.PruneLowMagnitude) for layer in stripped.layers)
    return stripped


def _preserving(model: Any) -> Any:
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    return tfmot.quantization.keras.quantize_apply(annotated, scheme)


def _measured(name: str, model: Any, arrays: Arrays, *, quantized: bool = False) -> dict[str, Any]:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.exclude_conversion_metadata = True
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content = converter.convert()
    images, labels = arrays["test"]
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
        file.write(content)
        file.flush()
        interpreter = tf.lite.Interpreter(model_path=file.name)
        given, answered = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        interpreter.resize_tensor_input(given, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given, images)
        interpreter.invoke()
        scores = interpreter.get_tensor(answered)
    accuracy = float((np.argmax(scores, axis=1) == labels).mean())
    return {"name": name, "raw": len(content), "gzip": len(gzip.compress(content, mtime=0)), "accuracy": accuracy}


if __name__ == "__main__":
    main()
