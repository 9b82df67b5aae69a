"""Computes TFMA's metrics without a Beam pipeline: sums over whole arrays instead of row by row.

TFMA says what to compute and turns sums into metrics; only the sums themselves are taken here, for the combiners that
`tfma_sums` knows. Any other combiner is TFMA's own, fed row by row. Plots are drawn for all of the data alone.
"""

import numbers
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from adapters.tfma_sums import Histogram, add_rows, adder, matrices
from components.evaluate_model.columns import Values
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CANDIDATE, CHAMPION, computations, eval_config
from components.evaluate_model.slices import OVERALL, Column, Rows, SliceKey, groups

MetricsDict = dict[metric_types.MetricKey, Any]


class _Results(dict[metric_types.MetricKey, Any]):
    """Results by key; a histogram is turned into TFMA's objects only if something asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.histograms: dict[metric_types.MetricKey, Histogram] = {}

    def __missing__(self, key: metric_types.MetricKey) -> Any:
        self[key] = self.histograms[key].buckets()
        return self[key]


class _Metrics:
    """The computations of one EvalConfig, ready for any rows."""

    def __init__(self, config: tfma.EvalConfig) -> None:
        asked = computations(config)
        # The first of equal computations stays: what depends on it comes after it.
        self._sums = list(dict.fromkeys(c for c in asked if isinstance(c, metric_types.MetricComputation)))
        self._derived = list(dict.fromkeys(c for c in asked if isinstance(c, metric_types.DerivedMetricComputation)))
        self._baseline = next((spec.name for spec in config.model_specs if spec.is_baseline), None)

    def compute(self, labels: Values, predictions: dict[str, Values]) -> MetricsDict:
        """Compute every metric and plot on some rows; `predictions` by the models' names in the EvalConfig."""
        results = _Results()
        for computation in self._sums:
            self._sum(computation, labels, predictions, results)
        for computation in self._derived:
            results.update(matrices(computation.keys[0], results.histograms) or computation.result(results))
        public = {
            key: value for key, value in results.items() if not key.name.startswith("_") or key.name.startswith("__")
        }
        return public | self._differences(public)

    def _sum(
        self,
        computation: metric_types.MetricComputation,
        labels: Values,
        predictions: dict[str, Values],
        results: _Results,
    ) -> None:
        combiner, key = computation.combiner, computation.keys[0]
        model = predictions[key.model_name] if key.model_name in predictions else next(iter(predictions.values()))
        if type(combiner).__name__ == "_CalibrationHistogramCombiner" and Histogram.can(combiner):
            results.histograms[key] = Histogram.of(combiner, labels, model)
            return
        total = combiner.create_accumulator()
        add = adder(combiner)
        total = add(combiner, total, labels, model) if add else add_rows(combiner, total, labels, predictions)
        results.update(combiner.extract_output(total))

    def _differences(self, results: MetricsDict) -> MetricsDict:
        """Take every number of the candidate minus the baseline's, as TFMA does."""
        if self._baseline is None:
            return {}
        pairs = (
            (key, value, results.get(key.make_baseline_key(self._baseline)))
            for key, value in results.items()
            if key.model_name != self._baseline
        )
        return {
            key.make_diff_key(): value - other
            for key, value, other in pairs
            if isinstance(value, numbers.Number) and other is not None
        }


def compute(
    config: Config, labels: Values, models: dict[str, Values], columns: dict[str, Column]
) -> Iterator[tuple[SliceKey, Rows, MetricsDict]]:
    """Yield all of the data and every slice: its key, its rows and TFMA's metrics of the candidate and the champion."""
    rivals = CHAMPION in models
    named = models if rivals else {"": models[CANDIDATE]}

    @cache
    def of(plots: bool) -> _Metrics:
        return _Metrics(eval_config(config, with_champion=rivals, plots=plots))

    yield OVERALL, np.arange(len(labels)), of(True).compute(labels, named)
    for features in config.slices:
        for key, rows in groups(columns, features) if features else ():
            yield key, rows, of(False).compute(labels[rows], {name: values[rows] for name, values in named.items()})
