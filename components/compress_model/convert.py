"""The process that converts: TensorFlow's converter ends a process by SIGABRT for models that it cannot read.

Reads one request a line and answers with one line of JSON, until its input ends. What TensorFlow prints goes to stderr.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def convert(request: dict[str, Any]) -> bytes:
    """Convert the SavedModel of a request; returns the TFLite file's content."""
    import tensorflow as tf  # noqa: PLC0415 - after stdout was taken

    converter = tf.lite.TFLiteConverter.from_saved_model(request["saved_model"])
    converter.exclude_conversion_metadata = True
    optimizations = []
    match request["quantization"]:
        case "float16":
            optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        case "dynamic_range" | "qat":
            optimizations = [tf.lite.Optimize.DEFAULT]
        case "int8":
            optimizations = [tf.lite.Optimize.DEFAULT]
            with np.load(request["calibration"], allow_pickle=False) as file:
                rows = dict(file)
            converter.representative_dataset = lambda: _each_row(rows)
    if request["sparse"]:
        optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    converter.optimizations = optimizations
    content: bytes = converter.convert()
    return content


def _each_row(rows: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows one by one: the ranges of activations are those of single rows."""
    for row in range(len(next(iter(rows.values())))):
        yield "serving_default", {name: values[row : row + 1] for name, values in rows.items()}


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        content = convert(request)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    Path(request["output"]).write_bytes(content)
    return {"seconds": time.monotonic() - started}


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
