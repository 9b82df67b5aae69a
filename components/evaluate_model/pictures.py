"""What a person looks at: curves, slices, and the candidate beside its rivals."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from components.evaluate_model.columns import Values
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CANDIDATE, CHAMPION
from components.evaluate_model.judged import Judged
from components.evaluate_model.measured import Measured, Slice, primary
from components.evaluate_model.slices import label
from core import pictures
from core.decision import Decision, Verdict
from core.pictures import COLORS, Markup

POINTS = 200
BINS = 20
SLICES_SHOWN = 25
WIDTH = 240
"""Of a bar in a table, in pixels."""
GREY = "#b9bec6"


def draw(config: Config, judged: Judged, measured: Measured, decision: Decision, path: Path | str) -> None:
    """Write the pictures of an evaluation; what could not be measured is not drawn."""
    parts: list[str] = [pictures.verdict(decision.verdict.value), Markup(f"<p>{pictures.muted(decision.summary)}</p>")]
    if measured.slices:
        parts += [_rivals(config, measured), *_curves(config, judged, measured), *_slices(config, measured)]
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    rows = [
        [pictures.verdict(check.verdict.value), check.rule, check.slice, check.observed, check.next_step]
        for check in closed
    ]
    if rows:
        parts.append(pictures.table(["verdict", "rule", "slice", "observed", "next step"], rows))
    pictures.write(path, pictures.fragment("Evaluation", *parts))


def _rivals(config: Config, measured: Measured) -> Markup:
    """Lay candidate, champion and baselines out as bars, with how much the candidate gains over each."""
    scale = max([measured.candidate_skill, *(rival.skill for rival in measured.rivals)], default=1.0)
    ours = measured.candidate_skill
    rows: list[list[str | float | None]] = [[Markup("<b>candidate</b>"), ours, _bar(ours / scale, COLORS[0]), "", ""]]
    for rival in measured.rivals:
        name, color = ("champion", COLORS[1]) if rival.name == CHAMPION else (rival.name, GREY)
        interval = f"{rival.gain.low:+.4f} to {rival.gain.high:+.4f}"
        rows.append([name, rival.skill, _bar(rival.skill / scale, color), f"{rival.gain.value:+.4f}", interval])
    return pictures.table(["", primary(config), "", "the candidate's gain", f"{config.confidence:.0%} interval"], rows)


def _bar(share: float, color: str, marks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Draw one bar from 0 to 1, and lines of other colours across it."""
    shapes = [(0.0, share, 10, color), *((place, 2 / WIDTH, 14, mark) for place, mark in marks)]
    known = [
        (np.clip(x, 0, 1) * WIDTH, np.clip(wide, 0, 1) * WIDTH, tall, fill)
        for x, wide, tall, fill in shapes
        if np.isfinite(x + wide)
    ]
    parts = (
        f'<rect x="{x:.1f}" y="{(14 - tall) // 2}" width="{wide:.1f}" height="{tall}" fill="{fill}"/>'
        for x, wide, tall, fill in known
    )
    return Markup(
        f'<svg aria-hidden="true" viewBox="0 0 {WIDTH + 2} 14" width="{WIDTH + 2}" height="14">{"".join(parts)}</svg>'
    )


def _curves(config: Config, judged: Judged, measured: Measured) -> Iterator[Markup]:
    """Draw how the scores of a binary classification lie, and what a regression predicts."""
    labels = judged.labels
    shown = {name: scores for name, scores in judged.models.items() if name == CANDIDATE or not measured.champion_fault}
    if config.task == "binary_classification":
        with pictures.figure(9.0, 3.2) as figure:
            roc, calibration, histogram = figure.subplots(1, 3)
            for index, (name, scores) in enumerate(shown.items()):
                title, color = ("candidate", "champion")[name == CHAMPION], COLORS[index]
                roc.plot(*_roc(labels, scores), label=title, color=color)
                calibration.plot(*_calibration(labels, scores), marker="o", markersize=3, label=title, color=color)
            for axes, name, x, y in (
                (roc, "ROC", "false positive rate", "true positive rate"),
                (calibration, "Calibration", "prediction", "rate of positives"),
            ):
                axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
                axes.set(title=name, xlabel=x, ylabel=y)
            roc.legend()
            bins = np.linspace(0, 1, BINS + 1).tolist()
            for outcome, color in ((0, COLORS[4]), (1, COLORS[5])):
                histogram.hist(
                    shown[CANDIDATE][labels == outcome],
                    bins=bins,
                    density=True,
                    alpha=0.6,
                    color=color,
                    label=f"label {outcome}",
                )
            histogram.set(title="Scores of the candidate", xlabel="prediction", ylabel="density")
            histogram.legend()
            yield pictures.svg(figure, "ROC curve, calibration and histogram of the scores")
    elif config.task == "regression":
        with pictures.figure(4.0, 3.2) as figure:
            axes = figure.subplots()
            some = np.linspace(0, len(labels) - 1, min(len(labels), 1000)).astype(int)
            axes.plot(labels[some], shown[CANDIDATE][some], ".", markersize=3, alpha=0.5)
            axes.set(title="Predictions of the candidate", xlabel="label", ylabel="prediction")
            yield pictures.svg(figure, "Predictions against labels")


def _roc(labels: Values, scores: Values) -> tuple[Values, Values]:
    order = np.argsort(-scores, kind="stable")
    positive = labels[order] > 0
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, misses = np.cumsum(positive)[ends], np.cumsum(~positive)[ends]
    some = np.unique(np.linspace(0, len(ends) - 1, min(POINTS, len(ends))).astype(int))
    return np.append(0, misses[some] / misses[-1]), np.append(0, hits[some] / hits[-1])


def _calibration(labels: Values, scores: Values) -> tuple[Values, Values]:
    """Mean score and rate of positives in bins of equally many rows."""
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), 10) if len(part)]
    return np.array([scores[part].mean() for part in parts]), np.array([labels[part].mean() for part in parts])


_SHOWN = {
    "binary_classification": ("auc", True),
    "multiclass_classification": ("accuracy", True),
    "regression": ("mean_squared_error", False),
}


def _slices(config: Config, measured: Measured) -> Iterator[Markup]:
    """Draw the worst slices of each kind that are large enough to be judged, with their rows and thresholds."""
    metric, more_is_better = _SHOWN[config.task]
    for features in config.slices:
        found = [item for item in measured.slices if features and {name for name, _ in item.key} == set(features)]
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
            yield Markup(
                f"<p>{pictures.muted(f'{left} more slices of ' + ' and '.join(features) + ' stand in metrics.json')}</p>"
            )


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
