"""Measures scored rows: every rate of every group at every threshold, and the gaps."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.spec import Features
from artifacts.fairness.gaps import gap
from artifacts.fairness.grouped_rows import GroupedRows, NumberedGroups
from artifacts.fairness.measurement import Estimate, GapResult, Group, Grouping, Measurement, RatesAt
from artifacts.fairness.names import CALIBRATION, RATES, Rate
from artifacts.fairness.rates import Estimates, rates
from problems import kind

Found = dict[Rate, Estimates]


@dataclass(frozen=True)
class Spec:
    """What is measured."""

    label: str
    positive: str
    split: str
    groups: tuple[Features, ...]
    thresholds: tuple[float, ...]
    """Ascending, the decision threshold among them."""
    decision_threshold: float
    confidence: float
    """Level of the two-sided intervals, from 0 to 1."""
    max_groups: int = 50


def measure_rows(spec: Spec, scored: GroupedRows, subject: str = "") -> Measurement:
    """Measure a binary classification; ConfigError for more than `max_groups` groups of some features."""
    numbered = [scored.grouping(features, spec.max_groups) for features in spec.groups]
    found = [rates(scored.rows, groups.numbers, len(groups.values), spec.thresholds) for groups in numbered]
    both = list(zip(numbered, found, strict=True))
    return Measurement(
        subject=subject,
        split=spec.split,
        label=spec.label,
        positive=spec.positive,
        rows=len(scored.rows.labels),
        decision_threshold=spec.decision_threshold,
        confidence=spec.confidence,
        groupings=tuple(_grouping(spec, scored, groups, rates_found) for groups, rates_found in both),
        gaps=tuple(one for groups, rates_found in both for one in _gaps(spec, groups, rates_found)),
    )


def _grouping(spec: Spec, scored: GroupedRows, groups: NumberedGroups, found: Found) -> Grouping:
    intervals = {rate: one.interval(spec.confidence) for rate, one in found.items()}

    def estimate(rate: Rate, number: int, column: int) -> Estimate:
        value, low, high = (float(end[number, column]) for end in intervals[rate])
        return Estimate(value=value, low=low, high=high, rows=int(found[rate].rows[number, column]))

    def group(number: int) -> Group:
        rows = np.flatnonzero(groups.numbers == number)
        at = [
            {rate: estimate(rate, number, column) for rate in RATES if rate != CALIBRATION}
            for column in range(len(spec.thresholds))
        ]
        return Group(
            values=groups.values[number],
            rows=len(rows),
            positives=int((scored.rows.labels[rows] > 0).sum()),
            auc=_auc(spec, scored, rows),
            calibration=estimate(CALIBRATION, number, 0),
            rates=tuple(RatesAt(threshold=one, **named) for one, named in zip(spec.thresholds, at, strict=True)),
        )

    members = tuple(group(number) for number in range(len(groups.values)))
    return Grouping(features=groups.features, groups=members, without=int((groups.numbers < 0).sum()))


def _auc(spec: Spec, scored: GroupedRows, rows: NDArray[np.int64]) -> Estimate:
    """Return the AUC, as the gain over a constant score, whose AUC is exactly 0.5."""
    labels, scores = scored.rows.labels[rows], scored.rows.scores[rows]
    weights = None if scored.rows.weights is None else scored.rows.weights[rows]
    problem = kind("binary_classification")
    low, value, high = problem.gain(labels, scores, np.zeros_like(scores), spec.confidence, weights)
    return Estimate(value=0.5 + value, low=max(0.5 + low, 0.0), high=min(0.5 + high, 1.0), rows=len(rows))


def _gaps(spec: Spec, groups: NumberedGroups, found: Found) -> Iterator[GapResult]:
    for rate, one in found.items():
        thresholds = (None,) if rate == CALIBRATION else spec.thresholds
        for column, threshold in enumerate(thresholds):
            widest = gap(one, column, spec.confidence)
            exists = widest.highest >= 0
            yield GapResult(
                features=groups.features,
                rate=rate,
                threshold=threshold,
                value=widest.value,
                low=widest.low,
                high=widest.high,
                highest=groups.values[widest.highest] if exists else (),
                lowest=groups.values[widest.lowest] if exists else (),
                fewest=int(one.rows[:, column].min()) if len(one.rows) else 0,
            )
