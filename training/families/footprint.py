"""Measures what an exported model costs, and whether it answers as the model that it was exported from."""

import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from artifacts.model.footprint import Footprint
from artifacts.model.names import EXTRA, GRAPH, SERVING
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Splits
from core.errors import TrainingError
from training.answers import answer
from training.export import input_names
from training.session import Session

_ROWS = 1000
_CALLS = {1: 60, _ROWS: 9}
"""Rows of a call -> how often it is measured; the median counts."""


class Measured(NamedTuple):
    """An exported model."""

    footprint: Footprint
    max_difference: float
    """Largest difference between its predictions and those of the model in memory, on up to a thousand rows."""


def measure(session: Session, model: keras.Model, folder: Path, parameters: int, split: str = "validation") -> Measured:
    """Measure the model that was exported to `folder`; TrainingError when it left no SavedModel."""
    exported = folder / SERVING
    if not (exported / GRAPH).is_file():
        raise TrainingError(
            f"{model.name}: wanted a SavedModel at {exported}, got no {GRAPH}; gates and servers load it"
        )
    predictor = Predictor(exported, session.settings.task)
    splits = Splits(Path(session.sources.examples), session.schema)
    rows = next(splits.blocks(split, _ROWS)).serialized
    times = {count: _microseconds(predictor, rows[:count], calls) for count, calls in _CALLS.items()}
    size = sum(path.stat().st_size for path in exported.rglob("*") if path.is_file() and EXTRA not in path.parts)
    footprint = Footprint(parameters=parameters, bytes=size, row_us=times[1], thousand_rows_us=times[_ROWS])
    wanted = _in_memory(session, model, exported, rows)
    return Measured(footprint, float(np.max(np.abs(wanted - predictor(rows).reshape(wanted.shape)), initial=0.0)))


def _microseconds(predictor: Predictor, rows: tf.Tensor, calls: int) -> float:
    """Return the median time of a call; the first ones, which trace and allocate, do not count."""
    for _ in range(3):
        predictor(rows)
    times = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        predictor(rows)
        times.append((time.perf_counter_ns() - began) / 1000)
    return round(median(times), 1)


def _in_memory(session: Session, model: keras.Model, exported: Path, rows: tf.Tensor) -> npt.NDArray[np.float32]:
    """Predict rows with the model itself, on the features that the exported transform makes of them."""
    transformed = tf.saved_model.load(str(exported)).signatures["transform_features"](rows)
    names = input_names(model) or tuple(transformed)
    output = model({name: transformed[name] for name in names}, training=False)
    how = answer(session.module, model, session.label(model), session.transform)
    found = how.finish(tf.reshape(output, [tf.shape(output)[0], -1])).numpy()
    return np.asarray(found[:, 0] if found.shape[1] == 1 else found, np.float32)
