"""The best point beside the default on the held-back rows, with an interval that holds although it was chosen there."""

import math
from collections.abc import Sequence

import numpy as np

from artifacts.tuning.tuning import Gain
from core.problem import Task
from problems import kind
from problems.gains import interval
from training.trials.problem import HeldBack
from training.trials.trial import Outcome, Scores


def widened(confidence: float, points: int) -> float:
    """Return the confidence for one of several points (Bonferroni): the best of many looks better than it is."""
    return 1 - (1 - confidence) / max(points, 1)


def gain_of(task: Task, rows: HeldBack, tuned: Scores, default: Scores, confidence: float) -> Gain:
    """Return the gain of one training over another, paired by row."""
    problem = kind(task)
    found = problem.gain(rows.labels, tuned, default, confidence, rows.weights)
    return Gain(
        tuned=problem.skill(rows.labels, tuned, rows.weights),
        default=problem.skill(rows.labels, default, rows.weights),
        value=found.value,
        low=_finite(found.low),
        high=_finite(found.high),
    )


def over_seeds(gains: Sequence[Gain], confidence: float) -> Gain:
    """Return the mean gain; its error has that of the rows, which all seeds share, and that of the seeds."""
    values = [one.value for one in gains]
    value, tuned, default = (float(np.mean(found)) for found in (values, *zip(*map(_skills, gains), strict=True)))
    if any(one.low is None for one in gains):
        return Gain(tuned=tuned, default=default, value=value, low=None, high=None)
    per_unit = interval(0.0, 1.0, confidence).high
    rows = float(np.mean([((one.value - (one.low or 0.0)) / per_unit) ** 2 for one in gains]))
    seeds = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
    found = interval(value, math.sqrt(rows + seeds), confidence)
    return Gain(tuned=tuned, default=default, value=value, low=_finite(found.low), high=_finite(found.high))


def of_trials(best: Outcome, default: Outcome) -> Gain:
    """Return the difference of two trials, which says nothing about chance."""
    tuned, plain = best.skill or 0.0, default.skill or 0.0
    return Gain(tuned=tuned, default=plain, value=tuned - plain, low=None, high=None)


def _skills(gain: Gain) -> tuple[float, float]:
    return gain.tuned, gain.default


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
