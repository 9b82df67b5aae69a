"""The sums of TFMA's combiners, computed over whole arrays at once.

A sum is put into the combiner's own accumulator, and the combiner turns it into its output, so that TFMA still defines
the metrics. Combiners are recognized by the names of their private classes, and their private attributes are read, as
they are in TFMA 0.47.1; any other combiner is given the rows one by one. `tests/unit/adapters` compares the numbers
with TFMA's own pipeline; `docs/adr/2026-11-28-ports-of-private-library-code.md` says how to do without this module.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_model_analysis.contrib.aggregates.binary_confusion_matrices import Matrix
from tensorflow_model_analysis.metrics import binary_confusion_matrices, calibration_histogram, metric_types

Values = NDArray[np.floating[Any]]
Weights = Values | None
"""The weight of each row, [rows]; None when all are 1."""
AddArrays = Callable[[Any, Any, Values, Values, Weights], Any]
"""Adds arrays of labels, predictions and weights to a combiner's accumulator, and returns it."""
_HISTOGRAM = "_CalibrationHistogramCombiner"


def array_adder(combiner: Any) -> AddArrays | None:
    """Return the function that adds arrays to this combiner's accumulator; None when there is none."""
    special = ("_class_weights", "_aggregation_type", "_sub_key", "_example_id_key")
    if any(getattr(combiner, name, None) for name in special):
        return None
    if getattr(getattr(combiner, "_key", None), "sub_key", None):
        return None
    return _ADDERS.get(type(combiner).__name__)


def is_weighted(combiner: Any) -> bool:
    """Whether a combiner uses the rows' weights; Keras' metrics keep that in their keys, so it is False for them."""
    return bool(getattr(combiner, "_example_weighted", False))


def add_rows(combiner: Any, total: Any, labels: Values, predictions: dict[str, Values], weights: Weights) -> Any:
    """Add rows to a combiner's accumulator one by one, as TFMA's pipeline does; `predictions` by the models' names."""
    if hasattr(combiner, "setup"):
        combiner.setup()
    single = list(predictions) == [""]
    for row, label in enumerate(labels):
        scores = {name: np.atleast_1d(values[row]) for name, values in predictions.items()}
        truth = np.array([label])
        weight = {} if weights is None else {"example_weight": np.array([weights[row]])}
        if single:
            inputs = metric_types.StandardMetricInputs(label=truth, prediction=scores[""], **weight)
        else:
            by_model = {name: dict.fromkeys(scores, value) for name, value in weight.items()}
            truths = dict.fromkeys(scores, truth)
            inputs = metric_types.StandardMetricInputs(label=truths, prediction=scores, **by_model)
        total = combiner.add_input(total, inputs)
    return total


@dataclass(frozen=True)
class Histogram:
    """Sums of weights, labels and predictions per bucket of the prediction, each [size + 2].

    The first and the last bucket are for predictions outside [0, 1).
    """

    size: int
    examples: Values
    labels: Values
    predictions: Values

    @staticmethod
    def supports(combiner: Any) -> bool:
        """Whether a combiner computes the plain histogram: over [0, 1], by the prediction, without sub-keys."""
        if type(combiner).__name__ != _HISTOGRAM:
            return False
        plain = combiner._left == 0 and combiner._range == 1 and combiner._prediction_based_bucketing
        return bool(plain and combiner._key.sub_key is None and not combiner._class_weights)

    @classmethod
    def of(cls, combiner: Any, labels: Values, predictions: Values, weights: Weights) -> "Histogram":
        """Sum rows into buckets."""
        size, scores = int(combiner._num_buckets), predictions.astype(np.float64)
        bucket = np.clip(scores * size + 1, 0, size + 1).astype(np.int64)
        summands = (np.ones(len(scores)), labels, scores)
        if weights is not None and is_weighted(combiner):
            summands = (weights, labels * weights, scores * weights)
        sums = [np.bincount(bucket, summand, minlength=size + 2).astype(np.float64) for summand in summands]
        return cls(size, *sums)

    def plus(self, other: "Histogram") -> "Histogram":
        """Return the sums of the rows of both."""
        columns = ("examples", "labels", "predictions")
        return Histogram(self.size, *(getattr(self, name) + getattr(other, name) for name in columns))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the buckets that are not empty: workers hand over one a slice."""
        filled = np.flatnonzero(self.examples)
        return _spread, (self.size, filled, self.examples[filled], self.labels[filled], self.predictions[filled])

    def buckets(self) -> list[calibration_histogram.Bucket]:
        """Return the non-empty buckets as TFMA's objects, for metrics that are not computed from arrays."""
        filled = np.flatnonzero(self.examples)
        columns = (column[filled].tolist() for column in (self.labels, self.predictions, self.examples))
        return [calibration_histogram.Bucket(*bucket) for bucket in zip(filled.tolist(), *columns, strict=True)]


def _spread(size: int, filled: NDArray[np.intp], *columns: Values) -> Histogram:
    spread = np.zeros((len(columns), size + 2))
    spread[:, filled] = columns
    return Histogram(size, *spread)


_MATRICES = re.compile(r"_binary_confusion_matrices:num_thresholds=(\d+)")


def matrices(
    key: metric_types.MetricKey, histograms: dict[metric_types.MetricKey, Histogram]
) -> dict[metric_types.MetricKey, Any]:
    """Compute the confusion matrices at evenly spaced thresholds; empty for any other key.

    TFMA walks ten thousand buckets in Python for each slice and model; here they are cumulative sums from both ends.
    """
    match = _MATRICES.fullmatch(key.name)
    source = _histogram_for(key, histograms)
    if match is None or key.sub_key is not None or source is None:
        return {}
    thresholds, position = _thresholds(int(match[1]))
    positives = np.bincount(position, source.labels, minlength=len(thresholds))
    negatives = np.bincount(position, source.examples - source.labels, minlength=len(thresholds))
    above = [np.cumsum(part[::-1])[::-1] for part in (positives, negatives)]
    below = [np.concatenate([[0.0], np.cumsum(part)[:-1]]) for part in (positives, negatives)]
    for over, under in zip(above, below, strict=True):
        under[-1], over[-1] = over[0], 0.0  # nothing lies above the last threshold, which is a little more than 1
    (tp, fp), (fn, tn) = above, below
    return {key: binary_confusion_matrices.Matrices(thresholds, *map(_Counts, (tp, tn, fp, fn)))}


class _Counts(list[float]):
    """Numbers as TFMA takes them, with the array that they are of: it makes one of the list for each metric."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        super().__init__(values.tolist())
        self._values = values

    def __array__(self, dtype: Any = None) -> NDArray[Any]:
        return self._values if dtype is None else self._values.astype(dtype)


def _histogram_for(
    key: metric_types.MetricKey, histograms: dict[metric_types.MetricKey, Histogram]
) -> Histogram | None:
    wanted = (key.model_name, key.example_weighted, _BUCKETS)
    for name, histogram in histograms.items():
        if (name.model_name, name.example_weighted, histogram.size) == wanted:
            return histogram
    return None


_BUCKETS = calibration_histogram.DEFAULT_NUM_BUCKETS
_EPSILON = 1e-7


@cache
def _thresholds(count: int) -> tuple[list[float], NDArray[np.int64]]:
    """Return the thresholds, and for each bucket of the histogram the last threshold that it lies above."""
    thresholds = [-_EPSILON, *((i + 1) / (count - 1) for i in range(count - 2)), 1 + _EPSILON]
    starts = np.concatenate([[-np.inf], np.arange(_BUCKETS) / _BUCKETS, [np.inf]])
    moved = np.array([threshold + _EPSILON for threshold in thresholds])
    return thresholds, np.maximum(np.searchsorted(moved, starts, "right") - 1, 0)


class _Entry(NamedTuple):
    """One threshold's part of an accumulator of confusion matrices; no examples are kept."""

    matrix: Matrix
    tp_examples: list[str]
    tn_examples: list[str]
    fp_examples: list[str]
    fn_examples: list[str]


def _sum(values: Values, weights: Weights) -> float:
    return float(values.sum(dtype=np.float64)) if weights is None else float(values @ weights)


def _rows(labels: Values, weights: Weights) -> float:
    return float(len(labels)) if weights is None else float(weights.sum())


def _count(_combiner: Any, total: float, labels: Values, _predictions: Values, weights: Weights) -> float:
    return total + _rows(labels, weights)


def _confusion(combiner: Any, total: Any, labels: Values, predictions: Values, weights: Weights) -> Any:
    positive = labels == 1
    for threshold in combiner._binary_confusion_matrices._thresholds:
        above = predictions.astype(np.float64) > threshold
        cells = (positive & above, ~positive & ~above, ~positive & above, positive & ~above)
        tp, tn, fp, fn = (_sum(cell, weights) for cell in cells)
        total[threshold] = _Entry(Matrix(tp=tp, tn=tn, fp=fp, fn=fn), [], [], [], [])
    return total


def _weighted(_combiner: Any, total: Any, labels: Values, predictions: Values, weights: Weights) -> Any:
    total.total_weighted_labels += _sum(labels, weights)
    total.total_weighted_predictions += _sum(predictions, weights)
    total.total_weighted_examples += _rows(labels, weights)
    return total


def _squared_error(_combiner: Any, total: Any, labels: Values, predictions: Values, weights: Weights) -> Any:
    return _errors(total, (labels - predictions) ** 2, weights)


def _absolute_error(_combiner: Any, total: Any, labels: Values, predictions: Values, weights: Weights) -> Any:
    return _errors(total, np.abs(labels - predictions), weights)


def _errors(total: Any, errors: Values, weights: Weights) -> Any:
    total.total_regression_error += _sum(errors, weights)
    total.total_example_weights += _rows(errors, weights)
    return total


def _correlation(combiner: Any, total: Any, labels: Values, predictions: Values, weights: Weights) -> Any:
    scores = predictions.astype(np.float64)
    _weighted(combiner, total, labels, scores, weights)
    counted = labels if weights is None else labels * weights
    total.total_weighted_squared_labels += float(counted @ labels)
    total.total_weighted_squared_predictions += float((scores if weights is None else scores * weights) @ scores)
    total.total_weighted_labels_times_predictions += float(counted @ scores)
    return total


def _keras(combiner: Any, total: Any, labels: Values, predictions: Values, weights: Weights) -> Any:
    """Update the Keras metrics that TFMA wraps once with all rows."""
    combiner.setup()
    for output, name in enumerate(combiner._output_names):
        for index, metric in enumerate(combiner._metrics[name]):
            metric.reset_states()
            metric.update_state(labels[:, None], predictions, sample_weight=weights)
            total.add_weights(output, index, metric.get_weights())
    return total


_ADDERS: dict[str, AddArrays] = {
    "_BinaryConfusionMatrixCombiner": _confusion,
    # Without AutoGraph, for which Keras rewrites the update of each metric anew: half a second.
    "_CompilableMetricsCombiner": tf.autograph.experimental.do_not_convert(_keras),
    "_ExampleCountCombiner": _count,
    "_MeanAbsoluteErrorCombiner": _absolute_error,
    "_MeanSquaredErrorCombiner": _squared_error,
    "_SquaredPearsonCorrelationCombiner": _correlation,
    "_WeightedLabelsPredictionsExamplesCombiner": _weighted,
}
