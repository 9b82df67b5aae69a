"""The rows that variants are compared on: transformed once, packed, with labels, slices and reference predictions."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from numpy.typing import NDArray

from artifacts.evaluation.columns import Values, Vocabulary, categories, numbers
from artifacts.evaluation.slices import OVERALL, Column, Rows, SliceKey, groups
from artifacts.model import label as label_file
from artifacts.model.names import SERVING
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Block, Splits
from components.compress_model.config import Config, Evaluation
from core.errors import DataError
from problems import kind
from problems.labels import TrainedLabel

Features = dict[str, NDArray[Any]]
"""Transformed features, each [rows, ...]."""
_READ_ROWS = 8192


@dataclass(frozen=True)
class EvalRows:
    """Rows of the eval split."""

    serialized: tf.Tensor
    features: Features
    labels: Values
    weights: Values | None
    slices: Mapping[SliceKey, Rows]
    """All rows first, then the slices of `min_slice_examples` rows or more."""
    columns: Mapping[str, Column]
    """The features of slices and groups."""
    reference: Values
    """The uncompressed model's output, [rows] or [rows, values]."""

    def __len__(self) -> int:
        return len(self.labels)


def read_eval_rows(
    config: Config, evaluation: Evaluation, splits: Splits, uncompressed: Predictor, trained: Path
) -> EvalRows:
    """Read at most `max_rows` rows, and predict them with a trained model; DataError for an empty split."""
    block = splits.sample("eval", config.max_rows, config.seed)
    if not block.batch.num_rows:
        raise DataError("wanted rows in the split 'eval', got none; widen ingest_examples.window")
    weights = None if config.weight is None else numbers(block.batch, config.weight)
    columns = _columns(block.batch, evaluation)
    reference = np.concatenate([uncompressed(batch) for batch in _batches(block.serialized)])
    label = label_file.read(trained / SERVING) or TrainedLabel(config.label, config.task)
    labels = LabelReader(label, reference.shape[1] if reference.ndim == 2 else 2, trained)
    return EvalRows(
        block.serialized,
        transformed(uncompressed, block),
        labels(block),
        weights,
        _slices(block.batch.num_rows, columns, evaluation),
        columns,
        reference,
    )


def calibration_rows(config: Config, splits: Splits, uncompressed: Predictor, names: Collection[str]) -> Features:
    """Return rows of the train split that the ranges of activations are taken from; DataError for too few."""
    block = splits.sample("train", config.calibration_rows, config.seed)
    if block.batch.num_rows < config.calibration_rows:
        raise DataError(
            f"compress_model.calibration_rows: wanted {config.calibration_rows} rows of the split 'train', got "
            f"{block.batch.num_rows}; the ranges of activations would be noise: widen ingest_examples.window, or lower "
            "calibration_rows (100 at least)"
        )
    features = transformed(uncompressed, block)
    return {name: features[name] for name in names}


def transformed(uncompressed: Predictor, block: Block) -> Features:
    """Return the transformed features of some rows."""
    parts = [uncompressed.transformed(batch) for batch in _batches(block.serialized)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if parts[0][name].ndim}


def _batches(serialized: tf.Tensor) -> Iterator[tf.Tensor]:
    for start in range(0, int(serialized.shape[0]), _READ_ROWS):
        yield serialized[start : start + _READ_ROWS]


def _columns(batch: pa.RecordBatch, evaluation: Evaluation) -> dict[str, Column]:
    columns = {}
    for name in sorted(set(chain.from_iterable((*evaluation.slices, *evaluation.groups)))):
        vocabulary = Vocabulary()
        columns[name] = Column(vocabulary.add(*categories(batch, name)), vocabulary.values)
    return columns


def _slices(rows: int, columns: Mapping[str, Column], evaluation: Evaluation) -> dict[SliceKey, Rows]:
    """Return the rows of each slice that is large enough to decide by."""
    found: dict[SliceKey, Rows] = {OVERALL: np.arange(rows)}
    for features in evaluation.slices:
        if features:
            large = groups(columns, features, evaluation.max_slices).slices
            found |= {key: rows for key, rows in large if len(rows) >= evaluation.min_slice_examples}
    return found


def scores_of(config: Config, output: NDArray[Any]) -> Values:
    """Return predictions, [rows, values], in the form that metrics use."""
    problem = kind(config.task)
    return np.asarray(problem.scores(problem.shaped(output, "the model"), config.model_output).values, np.float64)
