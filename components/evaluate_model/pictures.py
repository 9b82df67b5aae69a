"""Draws an evaluation: candidate, champion and baselines, the plots of the problem's kind, slices and mistakes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from artifacts.evaluation.result import EvaluationResult, Slice, evaluated_models
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import label
from artifacts.evaluation.spec import CANDIDATE, CHAMPION
from components.evaluate_model import mistakes
from components.evaluate_model.config import Config
from components.evaluate_model.measured import Measured
from components.evaluate_model.scored_parts import ScoredSplit
from core import pictures
from core.decision import Decision, Verdict
from core.pictures import COLORS, Markup
from problems import kind
from problems.charts import GREY

SLICES_SHOWN = 25
WIDTH = 240
"""Of a bar in a table, in pixels."""


def plots(config: Config, rows: ScoredRows) -> list[Markup]:
    """Draw the plots of the problem's kind: candidate and, where it can be evaluated, champion."""
    models, _ = evaluated_models(rows)
    shown = {"champion" if name == CHAMPION else name: scores for name, scores in models.items()}
    return list(kind(config.task).pictures(rows.labels, shown, rows.classes))


def draw(config: Config, measured: Measured, decision: Decision, path: Path | str) -> None:
    """Write the pictures of an evaluation; with faults only the decision is drawn."""
    scored, result = measured.scored, measured.result
    parts: list[str] = [pictures.verdict(decision.verdict.value), Markup(f"<p>{pictures.muted(decision.summary)}</p>")]
    if result.slices:
        parts.append(_comparisons(config, result))
        parts += measured.plots
        parts += _slices(config, result)
        if scored.mistakes:
            parts.append(mistakes.draw(scored.mistakes))
        parts.append(_notes(config, scored, result))
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    rows = [
        [pictures.verdict(check.verdict.value), check.rule, check.slice, check.observed, check.next_step]
        for check in closed
    ]
    if rows:
        parts.append(pictures.table(["verdict", "rule", "slice", "observed", "next step"], rows))
    pictures.write(path, pictures.fragment("Evaluation", *parts))


def _notes(config: Config, scored: ScoredSplit, result: EvaluationResult) -> Markup:
    """List what the metrics do not show: weights, logits, features and slices that were left out."""
    notes = [
        f"the {'candidate' if name == CANDIDATE else 'champion'} returns logits; they were turned into probabilities"
        for name, form in scored.rows.notes.items()
        if form == "logits"
    ]
    if config.weight is not None:
        notes.append(
            f"weighted by {config.weight}: all metrics but counts of classes, balanced accuracy, F1 and the leak guard"
        )
    population = scored.rows.population
    if population is not None and scored.rows.is_sample:
        notes.append(
            f"skills, gains with their intervals, metrics that TFMA does not have, and pictures are those of a random "
            f"sample of {population.sampled:,} of {population.rows:,} rows; TFMA's metrics are of all rows"
        )
    if scored.left_out:
        features = "; ".join(f"{name} ({why})" for name, why in scored.left_out.items())
        notes.append(f"not used by the baselines or the leak guard: {features}")
    notes += [
        f"{cross.slices} smaller slices of {' and '.join(cross.features)} with {cross.rows} rows are not evaluated"
        for cross in result.left_out
    ]
    return Markup("".join(f"<p>{pictures.muted(note)}</p>" for note in notes))


def _comparisons(config: Config, result: EvaluationResult) -> Markup:
    """Draw the skill of candidate, champion and baselines as bars, with the candidate's gain over each."""
    scale = max([result.candidate_skill, *(one.skill for one in result.comparisons)], default=1.0)
    ours = result.candidate_skill
    rows: list[list[str | float | None]] = [[pictures.bold("candidate"), ours, _bar(ours / scale, COLORS[0]), "", ""]]
    for one in result.comparisons:
        name, color = ("champion", COLORS[1]) if one.name == CHAMPION else (one.name, GREY)
        interval = f"{one.gain.low:+.4f} to {one.gain.high:+.4f}"
        rows.append([name, one.skill, _bar(one.skill / scale, color), f"{one.gain.value:+.4f}", interval])
    return pictures.table(
        ["", kind(config.task).skill_name, "", "the candidate's gain", f"{config.confidence:.0%} interval"], rows
    )


def _bar(share: float, color: str, marks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Draw a bar of a share from 0 to 1, with a line across it for each mark (position from 0 to 1, colour)."""
    parts = [_rectangle(0.0, share, 10, color)]
    parts += [_rectangle(position, 2 / WIDTH, 14, mark) for position, mark in marks]
    return Markup(
        f'<svg aria-hidden="true" viewBox="0 0 {WIDTH + 2} 14" width="{WIDTH + 2}" height="14">{"".join(parts)}</svg>'
    )


def _rectangle(x: float, width: float, height: int, color: str) -> str:
    """Draw a rectangle whose x and width are shares of WIDTH; nothing when they are not finite."""
    if not np.isfinite(x + width):
        return ""
    left, wide = np.clip(x, 0, 1) * WIDTH, np.clip(width, 0, 1) * WIDTH
    return f'<rect x="{left:.1f}" y="{(14 - height) // 2}" width="{wide:.1f}" height="{height}" fill="{color}"/>'


def _slices(config: Config, result: EvaluationResult) -> Iterator[Markup]:
    """Draw the worst slices by the problem's first metric that are large enough to decide by, with their thresholds."""
    if not config.metrics:
        return
    metric, more_is_better = config.metrics[0].name, config.metrics[0].at_least is not None
    for features in config.slices:
        found = [item for item in result.slices if features and {name for name, _ in item.key} == set(features)]
        large = [
            item
            for item in found
            if item.examples >= config.min_slice_examples and np.isfinite(item.candidate.get(metric, np.nan))
        ]
        large.sort(key=lambda item: item.candidate[metric] if more_is_better else -item.candidate[metric])
        if large:
            yield _slice_chart(config, metric, features, large[:SLICES_SHOWN])
        left = len(found) - min(len(large), SLICES_SHOWN)
        if left:
            more = f"metrics.json has {left} more slices of {' and '.join(features)}"
            yield Markup(f"<p>{pictures.muted(more)}</p>")


def _slice_chart(config: Config, metric: str, features: tuple[str, ...], items: list[Slice]) -> Markup:
    rules = [
        rule
        for rule in config.slice_thresholds
        if rule.metric == metric and set(features) in [set(f) for f in rule.slices]
    ]
    bounds = [bound for rule in rules for bound in rule.bound if bound is not None]
    champions = {item.key: (item.champion or {}).get(metric, np.nan) for item in items}
    scale = float(np.nanmax([*bounds, *(item.candidate[metric] for item in items), *champions.values(), 1e-9]))
    rows: list[list[str | float | None]] = []
    for item in items:
        value, theirs = item.candidate[metric], champions[item.key]
        marks = [(bound / scale, COLORS[5]) for bound in bounds] + [(theirs / scale, COLORS[1])]
        rows.append(
            [
                label(item.key),
                item.examples,
                value,
                _bar(value / scale, COLORS[0], marks),
                theirs if np.isfinite(theirs) else None,
            ]
        )
    names = " ".join(
        f'<span style="color:{color}">{name}</span>'
        for name, color in (("threshold", COLORS[5]), ("champion", COLORS[1]))
    )
    legend = Markup(f"<p>{pictures.muted('worst first; lines across a bar:')} {names}</p>")
    return Markup(legend + pictures.table([" and ".join(features), "rows", metric, "", "champion"], rows))
