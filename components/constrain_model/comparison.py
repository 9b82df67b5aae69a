"""Compares the plain model with the constrained one on the same rows of the validation split."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.examples.names import VALIDATION
from artifacts.fairness.constraint import Change, Constraint, Epoch
from artifacts.fairness.grouped_rows import GroupedRows, NumberedGroups
from artifacts.fairness.intervals import normal
from artifacts.fairness.measured import Spec, measure_rows
from artifacts.fairness.measurement import Interval, Measurement
from artifacts.fairness.names import CALIBRATION, RATES
from components.constrain_model.config import Config
from components.constrain_model.lagrangian import OF, counted
from problems import kind
from problems.gains import weighted_mean

MOST_GROUPS = 200


class Trained(NamedTuple):
    """How the constrained model came about, and both models on the validation split."""

    before: GroupedRows
    after: GroupedRows
    epoch: int
    epochs: tuple[Epoch, ...]
    multipliers: dict[str, dict[str, float]]


def compare(config: Config, trained: Trained) -> Constraint:
    """Measure both models, and what changed on the same rows; which one goes on is not decided yet."""
    spec = Spec(
        label=config.label,
        positive=config.positive or "1",
        split=VALIDATION,
        groups=(config.groups,),
        thresholds=(config.decision_threshold,),
        decision_threshold=config.decision_threshold,
        confidence=config.confidence,
        max_groups=MOST_GROUPS,
    )
    rows = (trained.before.rows, trained.after.rows)
    before, after = measure_rows(spec, trained.before), measure_rows(spec, trained.after)
    changes = tuple(_changes(config, before, after))
    problem = kind(config.task)
    skills = [problem.skill(one.labels, one.scores, one.weights) for one in rows]
    gain = problem.gain(rows[0].labels, rows[1].scores, rows[0].scores, config.confidence, rows[0].weights)
    return Constraint(
        rate=config.rate,
        max_gap=config.max_gap,
        passed="plain",
        why="",
        epoch=trained.epoch,
        auc_before=skills[0],
        auc_after=skills[1],
        auc_change=Interval(value=gain.value, low=gain.low, high=gain.high),
        gap_change=_gap_change(config, trained, changes),
        changes=changes,
        multipliers=trained.multipliers,
        epochs=trained.epochs,
        before=before,
        after=after,
    )


def _changes(config: Config, before: Measurement, after: Measurement) -> list[Change]:
    found = []
    for rate in RATES:
        threshold = None if rate == CALIBRATION else config.decision_threshold
        gaps = [one.gap(config.groups, rate, threshold) for one in (before, after)]
        values = [gap.value for gap in gaps if gap is not None and gap.value is not None]
        if len(values) == 2:
            constrained = rate in OF[config.rate]
            found.append(Change(rate=rate, before=values[0], after=values[1], constrained=constrained))
    return found


def _gap_change(config: Config, trained: Trained, changes: tuple[Change, ...]) -> Interval:
    """Return by how much the two groups that were furthest apart came closer, with a normal interval of paired rows."""
    rates = [one for one in changes if one.constrained]
    if not rates:
        return Interval(value=None, low=None, high=None)
    rate = max(rates, key=lambda one: one.before).rate
    groups = trained.before.grouping(config.groups, MOST_GROUPS)
    members = _at_the_ends(rate, config.decision_threshold, trained.before, groups)
    rows = trained.before.rows
    weights = np.ones(len(rows.labels)) if rows.weights is None else rows.weights
    was, now = (one.rows.scores > config.decision_threshold for one in (trained.before, trained.after))
    moved = now.astype(np.float64) - was
    (high, of_high), (low, of_low) = (weighted_mean(moved[one], weights[one]) for one in members)
    found = normal(np.array(high - low), np.array(np.hypot(of_high, of_low)), config.confidence)
    return Interval(value=float(found.value), low=float(found.low), high=float(found.high))


def _at_the_ends(
    rate: str, threshold: float, scored: GroupedRows, groups: NumberedGroups
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that the rate is a share of, of the group with its highest and of the one with its lowest."""
    counted_rows = counted(rate, scored.rows.labels)
    of_groups = [np.flatnonzero(counted_rows & (groups.numbers == number)) for number in range(len(groups.values))]
    known = [rows for rows in of_groups if len(rows)]
    known.sort(key=lambda rows: float(np.mean(scored.rows.scores[rows] > threshold)))
    return known[-1], known[0]
