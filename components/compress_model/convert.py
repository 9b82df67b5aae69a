"""Conversion to TensorFlow Lite, in a process of its own: the converter ends it by SIGABRT for some models."""

import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adapters.tf_fork import die_with_parent
from artifacts.compression.variant import Quantization


class Request(NamedTuple):
    """One conversion."""

    saved_model: Path
    quantization: Quantization
    output: Path
    calibration: Path | None = None
    """Packed rows, for `int8`."""
    sparse: bool = False


Convert = Callable[[Request], bytes]
"""Returns the TFLite file's content."""


def convert(request: Request) -> bytes:
    """Convert the SavedModel of a request."""
    import tensorflow as tf  # noqa: PLC0415 - after its output was redirected

    converter = tf.lite.TFLiteConverter.from_saved_model(str(request.saved_model))
    converter.exclude_conversion_metadata = True
    optimizations = []
    match request.quantization:
        case "float16":
            optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        case "dynamic_range" | "qat":
            optimizations = [tf.lite.Optimize.DEFAULT]
        case "int8":
            optimizations = [tf.lite.Optimize.DEFAULT]
            assert request.calibration is not None
            with np.load(request.calibration, allow_pickle=False) as file:
                rows = dict(file)
            converter.representative_dataset = lambda: _each_row(rows)
    if request.sparse:
        optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    converter.optimizations = optimizations
    content: bytes = converter.convert()
    return content


def answer_requests(requests: Connection, log: Path, how: Convert) -> None:
    """Convert what is asked for until this process is ended, in the order of the requests.

    Answers None, or the text of an error. What TensorFlow prints goes to `log`.
    """
    die_with_parent()
    sys.stdout = sys.stderr = log.open("a", buffering=1, encoding="utf-8")  # a fork has its parent's
    for standard in (1, 2):
        os.dup2(sys.stderr.fileno(), standard)
    while True:
        request: Request = requests.recv()
        requests.send(_answer(request, how))


def _answer(request: Request, how: Convert) -> str | None:
    try:
        content = how(request)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    request.output.write_bytes(content)
    return None


def _each_row(rows: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows one by one: the ranges of activations are those of single rows."""
    for row in range(len(next(iter(rows.values())))):
        yield "serving_default", {name: values[row : row + 1] for name, values in rows.items()}
