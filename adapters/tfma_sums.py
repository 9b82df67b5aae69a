"""The sums that TFMA's combiners take, over whole arrays at once.

A sum is put into the accumulator that the combiner made, and the combiner turns it into its output: what a metric means
stays TFMA's. Combiners are found by name because TFMA keeps them private; the tests hold each against TFMA's own pipeline.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tensorflow_model_analysis.contrib.aggregates.binary_confusion_matrices import Matrix
from tensorflow_model_analysis.metrics import binary_confusion_matrices, calibration_histogram, metric_types

Values = NDArray[np.floating[Any]]
Add = Callable[[Any, Any, Values, Values], Any]


def adder(combiner: Any) -> Add | None:
    """Return the function that fills this combiner's accumulator from arrays; None when there is none."""
    special = ("_example_weighted", "_class_weights", "_aggregation_type", "_sub_key", "_example_id_key")
    if any(getattr(combiner, name, None) for name in special) or getattr(
        getattr(combiner, "_key", None), "sub_key", None
    ):
        return None
    return _ADDERS.get(type(combiner).__name__)


def add_rows(combiner: Any, total: Any, labels: Values, predictions: dict[str, Values]) -> Any:
    """Feed a combiner row by row, as TFMA's pipeline does."""
    if hasattr(combiner, "setup"):
        combiner.setup()
    single = list(predictions) == [""]
    for row, label in enumerate(labels):
        scores = {name: np.atleast_1d(values[row]) for name, values in predictions.items()}
        truth = np.array([label])
        inputs = metric_types.StandardMetricInputs(label=truth, prediction=scores[""]) if single else None
        inputs = inputs or metric_types.StandardMetricInputs(label=dict.fromkeys(scores, truth), prediction=scores)
        total = combiner.add_input(total, inputs)
    return total


@dataclass(frozen=True)
class Histogram:
    """Counts, labels and predictions per bucket of the prediction; the outermost two are for what lies outside [0, 1)."""

    size: int
    examples: Values
    labels: Values
    predictions: Values

    @staticmethod
    def can(combiner: Any) -> bool:
        """Whether the histogram is the plain one: over [0, 1], by the prediction, no weights and no sub-keys."""
        plain = combiner._left == 0 and combiner._range == 1 and combiner._prediction_based_bucketing
        return bool(
            plain and not combiner._example_weighted and combiner._key.sub_key is None and not combiner._class_weights
        )

    @classmethod
    def of(cls, combiner: Any, labels: Values, predictions: Values) -> "Histogram":
        """Sum some rows into buckets."""
        size, scores = int(combiner._num_buckets), predictions.astype(np.float64)
        bucket = np.clip(scores * size + 1, 0, size + 1).astype(np.int64)
        examples, total, predicted = (
            np.bincount(bucket, weights, minlength=size + 2).astype(np.float64)
            for weights in (np.ones(len(scores)), labels, scores)
        )
        return cls(size, examples, total, predicted)

    def buckets(self) -> list[calibration_histogram.Bucket]:
        """Return TFMA's own objects, for what is not computed from arrays."""
        filled = np.flatnonzero(self.examples)
        columns = (column[filled].tolist() for column in (self.labels, self.predictions, self.examples))
        return [calibration_histogram.Bucket(*bucket) for bucket in zip(filled.tolist(), *columns, strict=True)]


_MATRICES = re.compile(r"_binary_confusion_matrices:num_thresholds=(\d+)")


def matrices(
    key: metric_types.MetricKey, histograms: dict[metric_types.MetricKey, Histogram]
) -> dict[metric_types.MetricKey, Any]:
    """Compute the confusion matrices at evenly spaced thresholds; empty when `key` is anything else.

    TFMA walks ten thousand buckets in Python for each slice and model; this is the same sum from both ends.
    """
    match = _MATRICES.fullmatch(key.name)
    source = next(
        (found for name, found in histograms.items() if name.model_name == key.model_name and found.size == _BUCKETS),
        None,
    )
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
    return {key: binary_confusion_matrices.Matrices(thresholds, tp.tolist(), tn.tolist(), fp.tolist(), fn.tolist())}


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


def _count(_combiner: Any, total: float, labels: Values, _predictions: Values) -> float:
    return total + float(len(labels))


def _confusion(combiner: Any, total: Any, labels: Values, predictions: Values) -> Any:
    positive = labels == 1
    for threshold in combiner._binary_confusion_matrices._thresholds:
        above = predictions.astype(np.float64) > threshold
        cells = (positive & above, ~positive & ~above, ~positive & above, positive & ~above)
        tp, tn, fp, fn = (float(np.count_nonzero(cell)) for cell in cells)
        total[threshold] = _Entry(Matrix(tp=tp, tn=tn, fp=fp, fn=fn), [], [], [], [])
    return total


def _weighted(_combiner: Any, total: Any, labels: Values, predictions: Values) -> Any:
    total.total_weighted_labels += float(labels.sum())
    total.total_weighted_predictions += float(predictions.sum(dtype=np.float64))
    total.total_weighted_examples += float(len(labels))
    return total


def _squared_error(_combiner: Any, total: Any, labels: Values, predictions: Values) -> Any:
    return _errors(total, (labels - predictions) ** 2)


def _absolute_error(_combiner: Any, total: Any, labels: Values, predictions: Values) -> Any:
    return _errors(total, np.abs(labels - predictions))


def _errors(total: Any, errors: Values) -> Any:
    total.total_regression_error += float(errors.sum())
    total.total_example_weights += float(len(errors))
    return total


def _correlation(_combiner: Any, total: Any, labels: Values, predictions: Values) -> Any:
    scores = predictions.astype(np.float64)
    _weighted(_combiner, total, labels, scores)
    total.total_weighted_squared_labels += float(labels @ labels)
    total.total_weighted_squared_predictions += float(scores @ scores)
    total.total_weighted_labels_times_predictions += float(labels @ scores)
    return total


def _keras(combiner: Any, total: Any, labels: Values, predictions: Values) -> Any:
    """Update the Keras metrics that TFMA wraps once with all rows."""
    combiner.setup()
    for output, name in enumerate(combiner._output_names):
        for index, metric in enumerate(combiner._metrics[name]):
            metric.reset_states()
            metric.update_state(labels[:, None], predictions)
            total.add_weights(output, index, metric.get_weights())
    return total


_ADDERS: dict[str, Add] = {
    "_BinaryConfusionMatrixCombiner": _confusion,
    "_CompilableMetricsCombiner": _keras,
    "_ExampleCountCombiner": _count,
    "_MeanAbsoluteErrorCombiner": _absolute_error,
    "_MeanSquaredErrorCombiner": _squared_error,
    "_SquaredPearsonCorrelationCombiner": _correlation,
    "_WeightedLabelsPredictionsExamplesCombiner": _weighted,
}
