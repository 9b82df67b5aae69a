"""Draws the trials over rungs, their points as parallel coordinates, and the best point beside the default."""

import json
from pathlib import Path
from typing import Any

from artifacts.tuning.tuning import TrialResult, Tuning
from components.tune_model.space import Space
from core import pictures
from core.pictures import COLORS, Markup

_SHOWN = 12
"""Trials in the table, the best ones."""


def draw(tuning: Tuning, space: Space, decision: str, path: Path | str) -> None:
    """Write the pictures."""
    spans = ", ".join(map(str, tuning.spans))
    summary = (
        f"{len(tuning.trials)} trials of {len(_points(tuning))} points by {tuning.method}, {tuning.epochs_run} epochs: "
        f"trained on span {spans}, compared by {tuning.skill} on the {tuning.rows:,} rows of span {tuning.held_back}, "
        f"which no trial was trained on. {decision}"
    )
    parts = [_over_rungs(tuning), _coordinates(tuning, space), _beside_default(tuning), _table(tuning)]
    pictures.write(path, pictures.fragment("Tuned hyperparameters", summary, *parts))


def _points(tuning: Tuning) -> dict[str, list[TrialResult]]:
    """Return the trials of each point, shortest first."""
    found: dict[str, list[TrialResult]] = {}
    for trial in tuning.trials:
        found.setdefault(json.dumps(trial.hyperparameters, sort_keys=True), []).append(trial)
    return {point: sorted(trials, key=lambda one: one.epochs) for point, trials in found.items()}


def _over_rungs(tuning: Tuning) -> Markup:
    with pictures.figure(5.0, 2.8) as figure:
        axes = figure.subplots()
        for trials in _points(tuning).values():
            ended = [one for one in trials if one.skill is not None]
            is_best = any(one.number == tuning.best for one in trials)
            color, width = (COLORS[5], 2.0) if is_best else (COLORS[0], 0.8)
            epochs, skills = [one.epochs for one in ended], [one.skill or 0.0 for one in ended]
            axes.plot(epochs, skills, marker="o", markersize=3, color=color, linewidth=width)
        axes.axhline(tuning.default_skill, linestyle="--", linewidth=1, color=COLORS[7], label="default")
        axes.set_xlabel("epochs of the rung")
        axes.set_ylabel(f"{tuning.skill} on span {tuning.held_back}")
        axes.set_title("Trials over rungs")
        axes.locator_params(axis="x", integer=True)
        axes.legend()
        return pictures.svg(figure, f"{tuning.skill} of the trials over the epochs of their rung, beside the default")


def _coordinates(tuning: Tuning, space: Space) -> Markup:
    names = list(tuning.space)
    last = [trials[-1] for trials in _points(tuning).values()]
    ended = [one for one in last if one.skill is not None]
    skills = [one.skill or 0.0 for one in ended]
    low, high = min(skills), max(skills)
    with pictures.figure(6.0, 2.8) as figure:
        axes = figure.subplots()
        for one in sorted(ended, key=lambda trial: trial.skill or 0.0):
            height = ((one.skill or 0.0) - low) / (high - low) if high > low else 1.0
            where = [_position(space, name, one.hyperparameters.get(name)) for name in names]
            is_best = one.number == tuning.best
            color = COLORS[5] if is_best else COLORS[0]
            axes.plot(
                range(len(names) + 1), [*where, height], color=color, alpha=1.0 if is_best else 0.2 + 0.5 * height
            )
        axes.set_xticks(range(len(names) + 1), [*(_tick(name, tuning.space[name]) for name in names), tuning.skill])
        axes.tick_params(axis="x", labelsize=7)
        axes.set_yticks([])
        axes.set_ylim(-0.05, 1.05)
        axes.set_title("Points as parallel coordinates, the best one in red; up is the end of a range")
        return pictures.svg(figure, "parallel coordinates of the points and their skill")


def _position(space: Space, name: str, value: Any) -> float:
    found = None if value is None else space.position(name, value)
    return float("nan") if found is None else found


def _tick(name: str, values: Any) -> str:
    text = str(values)
    return f"{name}\n{text if len(text) <= 24 else text[:23] + '…'}"


def _beside_default(tuning: Tuning) -> Markup:
    gain = tuning.gain
    with pictures.figure(5.0, 1.2 + 0.3 * len(tuning.gains)) as figure:
        axes = figure.subplots()
        rows = [(f"seed {seed}", one) for seed, one in tuning.gains.items()] + [("together", gain)]
        for index, (_, one) in enumerate(rows):
            if one.low is not None and one.high is not None:
                axes.plot([one.low, one.high], [index, index], color=COLORS[(index == len(rows) - 1 and 5) or 0])
            axes.plot([one.value], [index], marker="o", color=COLORS[(index == len(rows) - 1 and 5) or 0])
        axes.axvline(0.0, color=COLORS[7], linewidth=1, linestyle="--")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"{tuning.skill} of the best point minus the default's, on the same rows")
        axes.set_title("The best point beside the default")
        return pictures.svg(figure, "gain of the best point over the default with its interval")


def _table(tuning: Tuning) -> Markup:
    names = list(tuning.space)
    best = sorted(tuning.trials, key=lambda one: (-one.epochs, -(one.skill if one.skill is not None else -1e9)))
    rows: list[list[str | float | None]] = []
    for one in best[:_SHOWN]:
        number = pictures.bold(str(one.number)) if one.number == tuning.best else str(one.number)
        values = [_shown(one.hyperparameters.get(name)) for name in names]
        rows.append([number, *values, one.epochs, one.epochs_run, one.skill if one.skill is not None else one.failure])
    default = [_shown(tuning.default.get(name)) for name in names]
    rows.append(["default", *default, best[0].epochs, None, tuning.default_skill])
    return pictures.table(["trial", *names, "epochs", "run", tuning.skill], rows)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)
