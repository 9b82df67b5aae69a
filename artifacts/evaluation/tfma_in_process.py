"""Computes TFMA's metrics without its Beam pipeline: sums over whole arrays, of several parts added, instead of rows.

TFMA defines the computations and turns sums into metrics; only the sums are computed here, for the combiners that
`adapters.tfma_sums` supports. Any other combiner is given the rows one by one. Plots are computed for all rows alone.
"""

import numbers
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types

from adapters.tfma_sums import Histogram, add_rows, array_adder, is_weighted, matrices
from artifacts.evaluation.columns import Values
from artifacts.evaluation.eval_config import computations, eval_config
from artifacts.evaluation.slices import Rows, SliceKey
from artifacts.evaluation.spec import CANDIDATE, CHAMPION, EvaluationSpec

MetricsDict = dict[metric_types.MetricKey, Any]
Sums = list[Any]
"""Of each computation, over some rows: its histogram, or the accumulator of its combiner. They can be pickled."""


class _Results(dict[metric_types.MetricKey, Any]):
    """Results by key; a histogram is converted to TFMA's objects only when a metric needs them."""

    def __init__(self) -> None:
        super().__init__()
        self.histograms: dict[metric_types.MetricKey, Histogram] = {}

    def __missing__(self, key: metric_types.MetricKey) -> Any:
        self[key] = self.histograms[key].buckets()
        return self[key]


class _Metrics:
    """The computations of one EvalConfig."""

    def __init__(self, config: tfma.EvalConfig) -> None:
        # Equal computations are computed once, in the place of the first: the ones that depend on it come later.
        unique = list(dict.fromkeys(computations(config)))
        self._sums = [one for one in unique if isinstance(one, metric_types.MetricComputation)]
        self._derived = [one for one in unique if isinstance(one, metric_types.DerivedMetricComputation)]
        self._baseline = next((model.name for model in config.model_specs if model.is_baseline), None)

    def sums(self, labels: Values, predictions: dict[str, Values], weights: Values | None) -> Sums:
        """Sum some rows up; `predictions` are by the models' names in the EvalConfig."""
        found: Sums = []
        for computation in self._sums:
            combiner, key = computation.combiner, computation.keys[0]
            model = predictions[key.model_name] if key.model_name in predictions else next(iter(predictions.values()))
            if Histogram.supports(combiner):
                found.append(Histogram.of(combiner, labels, model, weights))
                continue
            total = combiner.create_accumulator()
            add = array_adder(combiner)
            if add is not None:
                found.append(add(combiner, total, labels, model, weights if is_weighted(combiner) else None))
            else:
                found.append(add_rows(combiner, total, labels, predictions, weights))
        return found

    def added(self, parts: Sequence[Sums]) -> Sums:
        """Add the sums of several parts of the rows."""
        columns = zip(self._sums, zip(*parts, strict=True), strict=True)
        return [_added(computation.combiner, totals) for computation, totals in columns]

    def results(self, sums: Sums) -> MetricsDict:
        """Compute every metric and plot from the sums of all rows."""
        results = _Results()
        for computation, total in zip(self._sums, sums, strict=True):
            if isinstance(total, Histogram):
                results.histograms[computation.keys[0]] = total
            else:
                results.update(_ready(computation.combiner).extract_output(total))
        for computation in self._derived:
            results.update(matrices(computation.keys[0], results.histograms) or computation.result(results))
        public = {
            key: value for key, value in results.items() if not key.name.startswith("_") or key.name.startswith("__")
        }
        return public | self._differences(public)

    def _differences(self, results: MetricsDict) -> MetricsDict:
        """Subtract the baseline's numbers from the candidate's, as TFMA does."""
        if self._baseline is None:
            return {}
        differences: MetricsDict = {}
        for key, value in results.items():
            if key.model_name == self._baseline or not isinstance(value, numbers.Number):
                continue
            baseline = results.get(key.make_baseline_key(self._baseline))
            if baseline is not None:
                differences[key.make_diff_key()] = value - baseline
        return differences


def _added(combiner: Any, totals: Sequence[Any]) -> Any:
    if isinstance(totals[0], Histogram):
        return reduce(Histogram.plus, totals)
    return _ready(combiner).merge_accumulators(iter(totals))


def _ready(combiner: Any) -> Any:
    """Return a combiner that may have added no rows in this process: Keras' metrics are made before the first ones."""
    if hasattr(combiner, "setup"):
        combiner.setup()
    return combiner


class Engine:
    """Computes an evaluation's metrics on any slices; TFMA's computations are built once."""

    def __init__(self, spec: EvaluationSpec, names: tuple[str, ...], weighted: bool) -> None:
        """Build the computations; `names` are the models (`CANDIDATE`, `CHAMPION`), `weighted` if rows have weights."""
        with_champion = CHAMPION in names
        self._names = {name: name if with_champion else "" for name in (CANDIDATE, CHAMPION)}
        self.config = eval_config(spec, with_champion=with_champion, plots=True, weighted=weighted)
        self._overall = _Metrics(self.config)
        self._per_slice = _Metrics(eval_config(spec, with_champion=with_champion, plots=False, weighted=weighted))

    def compute(
        self, key: SliceKey, rows: Rows, labels: Values, models: Mapping[str, Values], weights: Values | None
    ) -> MetricsDict:
        """Compute TFMA's metrics of a slice's rows; for the slice of all rows its plots too."""
        return self.results(key, self.sums(key, rows, labels, models, weights))

    def sums(
        self, key: SliceKey, rows: Rows, labels: Values, models: Mapping[str, Values], weights: Values | None
    ) -> Sums:
        """Sum up some rows of a slice."""
        scores = {self._names[name]: values[rows] for name, values in models.items()}
        return self._of(key).sums(labels[rows], scores, None if weights is None else weights[rows])

    def added(self, key: SliceKey, parts: Sequence[Sums]) -> Sums:
        """Add the sums of several parts of a slice's rows."""
        return self._of(key).added(parts) if len(parts) > 1 else parts[0]

    def results(self, key: SliceKey, sums: Sums) -> MetricsDict:
        """Compute TFMA's metrics of a slice from the sums of its rows, as `compute` does."""
        return self._of(key).results(sums)

    def _of(self, key: SliceKey) -> _Metrics:
        return self._per_slice if key else self._overall
