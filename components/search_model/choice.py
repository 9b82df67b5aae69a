"""Chooses the simplest contender that the best one is not surely better than."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from artifacts.league.league import MODULE, Entry, League
from components.search_model.config import Config
from core.errors import TrainingError
from core.problem import Task
from problems import kind
from problems.gains import over_seeds
from problems.kind import Gain
from training.families.contender import Contender
from training.families.footprint import Measured
from training.predictions import Predictions


class Ran(NamedTuple):
    """What one contender did."""

    contender: Contender
    predictions: Sequence[Predictions]
    """Of the held-out span, one for each seed."""
    skills: Sequence[float]
    measured: Measured
    seconds: float


def rank(config: Config, runs: Sequence[Ran], facts: Mapping[str, Any]) -> League:
    """Rank contenders by their mean skill, and choose the simplest one within the noise of the best.

    Within the noise is one whose interval of the difference to the best reaches 0. The interval is paired: both are
    compared on the same rows, seed by seed. TrainingError when no contender is left.
    """
    if not runs:
        raise TrainingError(f"search_model: no family is left: {facts['left_out']}")
    best = max(runs, key=lambda run: float(np.mean(run.skills)))
    entries = sorted((_entry(config, run, best, facts["task"]) for run in runs), key=lambda one: (-one.skill, one.name))
    within = [entry for entry in entries if entry.is_within_noise or entry.name == best.contender.name]
    chosen = _simplest(config, within)
    return League(
        skill=facts["skill"],
        held_out_span=facts["held_out_span"],
        trained_rows=facts["trained_rows"],
        held_out_rows=len(best.predictions[0].labels),
        seeds=config.seeds,
        confidence=config.confidence,
        best=best.contender.name,
        chosen=chosen.name,
        entries=tuple(entries),
        left_out=facts["left_out"],
    )


def _simplest(config: Config, within: Sequence[Entry]) -> Entry:
    """Return the contender with the fewest parameters; the module's own model, unless that is much smaller."""
    simplest = min(within, key=lambda one: (one.footprint.parameters, -one.skill, one.name))
    own = next((one for one in within if one.name == MODULE), simplest)
    return own if simplest.footprint.parameters > config.replaced_by * own.footprint.parameters else simplest


def _entry(config: Config, run: Ran, best: Ran, task: Task) -> Entry:
    behind = (
        difference(config.confidence, best.predictions, run.predictions, task) if run is not best else Gain(0, 0, 0)
    )
    return Entry(
        name=run.contender.name,
        family=run.contender.family,
        hyperparameters=dict(run.contender.hyperparameters),
        skill=float(np.mean(run.skills)),
        spread=float(np.std(run.skills, ddof=1)) if len(run.skills) > 1 else 0.0,
        behind=behind.value,
        behind_at_least=behind.low,
        behind_at_most=behind.high,
        footprint=run.measured.footprint,
        seconds=run.seconds,
        max_difference=run.measured.max_difference,
    )


def difference(confidence: float, ours: Sequence[Predictions], theirs: Sequence[Predictions], task: Task) -> Gain:
    """Return our skill minus theirs over the seeds."""
    problem = kind(task)
    gains = [
        problem.gain(one.labels, one.scores, other.scores, confidence, one.weights)
        for one, other in zip(ours, theirs, strict=True)
    ]
    return over_seeds(gains, confidence)
