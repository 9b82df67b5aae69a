"""Metrics of a variant's predictions on all rows and every slice, beside the uncompressed model's."""

import math

import numpy as np

from artifacts.compression.compression import Loss, Parity
from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import Values
from artifacts.evaluation.slices import OVERALL, Rows, SliceKey, label
from artifacts.evaluation.spec import CANDIDATE, EvaluationSpec
from artifacts.evaluation.tfma_in_process import Engine
from artifacts.fairness.gaps import gap
from artifacts.fairness.grouped_rows import NumberedGroups
from artifacts.fairness.rates import Rows as FairnessRows
from artifacts.fairness.rates import rates
from components.compress_model.config import Config, Evaluation
from components.compress_model.eval_rows import EvalRows
from core.errors import ConfigError, did_you_mean
from problems import kind

EDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Bounds of the differences to the uncompressed predictions; below the first one they are float rounding."""
_NEAR = 0.01
"""A regression's predictions agree within this share of their standard deviation."""
_MOST_GROUPS, _CONFIDENCE = 200, 0.95
Metrics = dict[SliceKey, dict[str, float]]


class Quality:
    """Computes metrics with the evaluation's code."""

    def __init__(self, config: Config, evaluation: Evaluation, rows: EvalRows, reference: Values) -> None:
        """Compute the metrics of the uncompressed model; ConfigError when the gate's metric is unknown."""
        self._config, self._rows = config, rows
        self._problem = kind(config.task)
        spec = EvaluationSpec(config.label, config.task, decision_threshold=evaluation.decision_threshold)
        self._engine = Engine(spec, (CANDIDATE,), weighted=rows.weights is not None)
        self._evaluation, self._threshold = evaluation, evaluation.decision_threshold
        self.reference = reference
        self.metrics = self.of(reference)
        overall = self.metrics[OVERALL]
        if config.metric not in overall:
            raise ConfigError(
                f"config.yaml: problem.metrics: the evaluation has no metric {config.metric!r}"
                f"{did_you_mean(config.metric, overall)}"
            )

    def of(self, scores: Values) -> Metrics:
        """Return every metric by slice; NaN where one is undefined."""
        return {key: self._numbers(key, members, scores) for key, members in self._rows.slices.items()}

    def losses(self, metrics: Metrics) -> tuple[Loss, ...]:
        """Return what each slice lost against the uncompressed model, all rows first."""
        found = []
        for key, numbers in metrics.items():
            value, before = numbers[self._config.metric], self.metrics[key][self._config.metric]
            change = value - before
            lost = -change if self._config.more_is_better else change
            found.append(Loss(slice=label(key), rows=len(self._rows.slices[key]), value=known(value), loss=known(lost)))
        return tuple(found)

    def gaps(self, scores: Values) -> dict[str, float | None]:
        """Return the gaps between groups that `measure_fairness` bounds, by rate and groups."""
        found: dict[str, float | None] = {}
        rows = FairnessRows(self._rows.labels, scores, self._rows.weights)
        for features in self._evaluation.groups:
            groups = NumberedGroups.of(self._rows.columns, features, _MOST_GROUPS)
            estimates = rates(rows, groups.numbers, len(groups.values), (self._threshold,))
            for rate in self._evaluation.rates:
                value = gap(estimates[rate], 0, _CONFIDENCE).value
                found[f"{rate} between groups of {' x '.join(features)}"] = known(value)
        return found

    def differences(self, scores: Values) -> tuple[int, ...]:
        """Count the rows by the difference of their predictions to the uncompressed ones, between EDGES."""
        bins = np.searchsorted(EDGES, self._differences(scores, self.reference), "right")
        return tuple(np.bincount(bins, minlength=len(EDGES) + 1).tolist())

    def parity(self, ours: Values, theirs: Values) -> Parity:
        """Compare two formats' scores."""
        differences = self._differences(ours, theirs)
        has_classes = self._problem.has_classes
        same = self._classes(ours) == self._classes(theirs) if has_classes else differences <= _NEAR
        return Parity(
            agreement=float(same.mean()),
            max_difference=float(differences.max()),
            mean_difference=float(differences.mean()),
        )

    def _numbers(self, key: SliceKey, members: Rows, scores: Values) -> dict[str, float]:
        rows, weights = self._rows, self._rows.weights
        labels = rows.labels[members]
        with np.errstate(all="ignore"):  # of thresholds above every score
            where = key or (("rows", "all"),)
            computed = self._engine.compute(where, members, rows.labels, {CANDIDATE: scores}, weights)
        numbers = tfma_output.plain(computed, "")
        numbers |= self._problem.row_metrics(labels, scores[members], None if weights is None else weights[members])
        return {name: math.nan if self._problem.undefined(labels, name) else value for name, value in numbers.items()}

    def _classes(self, scores: Values) -> Values:
        return np.argmax(scores, axis=1) if scores.ndim == 2 else (scores > self._threshold).astype(np.int64)

    def _differences(self, ours: Values, theirs: Values) -> Values:
        """Return the largest difference of each row; a regression's in standard deviations of its predictions."""
        found = np.abs(ours - theirs).reshape(len(ours), -1).max(axis=1)
        if self._problem.has_classes:
            return np.asarray(found)
        return np.asarray(found / (float(np.std(self.reference)) or 1.0))


def known(value: float) -> float | None:
    """Return a number; None for NaN and infinity, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
