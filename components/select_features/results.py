"""Turns the runs of the methods into a table, and chooses the smallest set of features that loses little enough."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from artifacts.selection.selection import ALL, MethodResult
from components.select_features.config import Config
from components.select_features.fold_columns import Floats
from components.select_features.runs import MethodRuns, Runs
from components.select_features.target import Target
from core.errors import DataError
from problems import kind
from problems.auc import auc


class Compared(NamedTuple):
    """The methods, the chosen one first in importance."""

    methods: tuple[MethodResult, ...]
    chosen: MethodResult


def compare_methods(config: Config, runs: Runs, target: Target, names: list[str]) -> Compared:
    """Compare every method with all features; DataError when the skill of all features is undefined."""
    everything = runs.methods[ALL]
    methods = tuple(_result(config, name, one, everything, (target, names)) for name, one in runs.methods.items())
    within = [one for one in methods if one.loss_at_most <= config.max_loss and one.stability >= config.min_stability]
    chosen = min(within, key=lambda one: (len(one.features), one.loss, one.name)) if within else methods[0]
    return Compared(methods, chosen)


def shares(method: MethodRuns, name: str) -> float:
    """Return the share of a method's runs that selected a feature."""
    return sum(name in one for one in method.selected) / len(method.selected)


def _result(
    config: Config, name: str, method: MethodRuns, everything: MethodRuns, facts: tuple[Target, list[str]]
) -> MethodResult:
    target, names = facts
    problem = kind(config.task)
    gain = problem.gain(target.values, _mean(method), _mean(everything), config.confidence, target.weights)
    metrics = [_metrics(config, target, predicted) for predicted in method.predicted.values()]
    if not all(np.isfinite(list(one.values())).all() for one in metrics):
        raise DataError(
            f"label {config.label!r}: the {problem.skill_name} of {len(target.values)} rows is undefined; "
            "widen ingest_examples.window"
        )
    loss, at_most = (0.0, 0.0) if name == ALL else (-gain.value, -gain.low)
    return MethodResult(
        name=name,
        features=tuple(one for one in names if shares(method, one) >= config.chosen_in),
        metrics={key: float(np.mean([one[key] for one in metrics])) for key in metrics[0]},
        loss=loss,
        loss_at_most=at_most if np.isfinite(at_most) else 1.0,
        stability=_stability(method),
        seconds=method.seconds,
    )


def _mean(method: MethodRuns) -> Floats:
    """Return the mean score of each row over the seeds."""
    return np.asarray(np.mean(list(method.predicted.values()), axis=0))


def _stability(method: MethodRuns) -> float:
    overlaps = [
        len(one & other) / len(one | other) if one | other else 1.0 for one, other in combinations(method.selected, 2)
    ]
    return float(np.mean(overlaps)) if overlaps else 1.0


def _metrics(config: Config, target: Target, scores: Floats) -> dict[str, float]:
    problem = kind(config.task)
    found = problem.row_metrics(target.values, scores, target.weights)
    if not problem.has_classes:
        return {"r2": found["r2"], "root_mean_squared_error": found["root_mean_squared_error"]}
    classes = problem.classes(target.values, scores, target.classes, 0.5)
    counted = classes[1:] if problem.gives_one_score else [one for one in classes if one.rows]
    by_class = {key: [np.nan_to_num(getattr(one, key)) for one in counted] for key in ("precision", "recall", "f1")}
    right = scores > 0.5 if problem.gives_one_score else np.argmax(scores, axis=1)
    curves = [scores] if problem.gives_one_score else list(scores.T)
    which = [1] if problem.gives_one_score else range(target.width)
    areas = [auc((target.values == one).astype(np.float64), curve) for one, curve in zip(which, curves, strict=True)]
    return {
        "accuracy": float(np.average(right == target.values, weights=target.weights)),
        "auc": float(np.mean(areas)),
        **{key: float(np.mean(values)) for key, values in by_class.items()},
    }
