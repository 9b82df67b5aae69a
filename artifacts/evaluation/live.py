"""Metrics of labeled rows with confidence intervals."""

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from artifacts.evaluation import tfma_output
from artifacts.evaluation.columns import Values
from artifacts.evaluation.spec import CANDIDATE, EvaluationSpec
from artifacts.evaluation.tfma_in_process import Engine
from problems import kind
from problems.gains import interval
from problems.kind import Gain

BLOCKS = 20
"""Blocks that an interval is computed from; neighbouring rows are in different ones, so that an interval is that of the
rows alone. How much a metric differs from one month to the next is in its bound."""
FEWEST = 10 * BLOCKS
"""With fewer rows there is no interval."""


class LiveMetrics:
    """Computes the metrics of an evaluation's specification, with the evaluation's code."""

    def __init__(self, spec: EvaluationSpec) -> None:
        self._spec = spec
        self._kind = kind(spec.task)
        self._engine = Engine(spec, (CANDIDATE,), weighted=False)

    def numbers(self, labels: Values, scores: Values) -> dict[str, float]:
        """Return every metric of some rows by name; NaN where one is undefined."""
        rows = np.arange(len(labels))
        computed = self._engine.compute((("rows", "live"),), rows, labels, {CANDIDATE: scores}, None)
        metrics = tfma_output.plain(computed, "") | self._kind.row_metrics(labels, scores)
        return {
            name: math.nan if self._kind.undefined(labels, name) else float(value) for name, value in metrics.items()
        }

    def intervals(self, labels: Values, scores: Values, confidence: float) -> Mapping[str, Gain]:
        """Return every metric with its interval, [rows] in the order of time.

        The standard error is that of the jackknife: each block of rows is left out once.
        """
        whole = self.numbers(labels, scores)
        if len(labels) < FEWEST:
            return {name: Gain(math.nan, value, math.nan) for name, value in whole.items()}
        block = np.arange(len(labels)) % BLOCKS
        without = [self.numbers(labels[block != one], scores[block != one]) for one in range(BLOCKS)]
        # Student's t of BLOCKS - 1 degrees of freedom is a little wider than the normal distribution.
        wider = _wider(confidence, BLOCKS - 1)
        found = {}
        for name, value in whole.items():
            values = np.array([numbers.get(name, math.nan) for numbers in without])
            error = math.sqrt((BLOCKS - 1) * float(np.var(values)))
            found[name] = interval(value, wider * error, confidence)
        return found


def _wider(confidence: float, freedom: int) -> float:
    """Return by how much Student's quantile exceeds the normal one, by its expansion in 1 / freedom."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return (z + first / freedom + second / freedom**2) / z
