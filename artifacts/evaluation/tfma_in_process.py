"""Computes TFMA's metrics without a Beam pipeline: sums over whole arrays instead of row by row.

TFMA says what to compute and turns sums into metrics; only the sums themselves are taken here, for the combiners that
`adapters.tfma_sums` knows. Any other combiner is TFMA's own, fed row by row. Plots are drawn for all of the data alone.
"""

import numbers
from collections.abc import Mapping
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from adapters.tfma_sums import Histogram, add_rows, adder, is_weighted, matrices
from artifacts.evaluation.columns import Values
from artifacts.evaluation.eval_config import computations, eval_config
from artifacts.evaluation.measures import CANDIDATE, CHAMPION, Measures
from artifacts.evaluation.slices import Rows, SliceKey

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

    def compute(self, labels: Values, predictions: dict[str, Values], weights: Values | None) -> MetricsDict:
        """Compute every metric and plot on some rows; `predictions` by the models' names in the EvalConfig."""
        results = _Results()
        for computation in self._sums:
            combiner, key = computation.combiner, computation.keys[0]
            model = predictions[key.model_name] if key.model_name in predictions else next(iter(predictions.values()))
            if Histogram.can(combiner):
                results.histograms[key] = Histogram.of(combiner, labels, model, weights)
                continue
            total = combiner.create_accumulator()
            if add := adder(combiner):
                total = add(combiner, total, labels, model, weights if is_weighted(combiner) else None)
            else:
                total = add_rows(combiner, total, labels, predictions, weights)
            results.update(combiner.extract_output(total))
        for computation in self._derived:
            results.update(matrices(computation.keys[0], results.histograms) or computation.result(results))
        public = {
            key: value for key, value in results.items() if not key.name.startswith("_") or key.name.startswith("__")
        }
        return public | self._differences(public)

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


class Engine:
    """Computes an evaluation's metrics on any slices; what TFMA is asked for is built once."""

    def __init__(self, measures: Measures, names: tuple[str, ...], weighted: bool) -> None:
        """Take what is measured, which models there are (`CANDIDATE`, `CHAMPION`), and whether rows have weights."""
        with_champion = CHAMPION in names
        self._names = {name: name if with_champion else "" for name in (CANDIDATE, CHAMPION)}
        self.asked = eval_config(measures, with_champion=with_champion, plots=True, weighted=weighted)
        self._whole = _Metrics(self.asked)
        self._slice = _Metrics(eval_config(measures, with_champion=with_champion, plots=False, weighted=weighted))

    def compute(
        self, key: SliceKey, rows: Rows, labels: Values, models: Mapping[str, Values], weights: Values | None
    ) -> MetricsDict:
        """Compute TFMA's metrics on the rows of a slice; on all of the data its plots too."""
        metrics = self._slice if key else self._whole
        scores = {self._names[name]: values[rows] for name, values in models.items()}
        return metrics.compute(labels[rows], scores, None if weights is None else weights[rows])
