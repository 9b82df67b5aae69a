"""Draws the agreement of each pair, the confusions of each annotator, and how long labels took."""

import numpy as np

from components.import_labels.report import Agreement, Annotator
from core import pictures
from core.decision import Decision
from core.pictures import Markup

_MOST = 12
"""Annotators that are drawn, those with the most labels."""


def draw(found: Agreement, decision: Decision) -> Markup:
    """Draw what was found, and the checks of the gate."""
    shown = sorted(found.annotators, key=lambda one: (-one.labels, one.name))[:_MOST]
    alpha = "not defined: no row has two labels" if found.alpha is None else f"{found.alpha:.3f}"
    parts: list[str] = [
        f"{found.labels:,} labels of {found.labeled_rows:,} rows, {found.aggregation}; Krippendorff's alpha {alpha}.",
        _checks(decision),
        pictures.table(
            ["annotator", "labels", "gold questions", "accuracy on them"],
            [[one.name, one.labels, one.gold_questions, one.gold_accuracy] for one in shown],
        ),
    ]
    if len(shown) > 1 and found.pairs:
        parts += [Markup("<h3>Agreement of each pair (Cohen's kappa)</h3>"), _matrix(found, shown)]
    if found.classes and shown:
        parts += [Markup("<h3>Confusions of each annotator</h3>"), _confusions(found, shown)]
    if found.delays.curve:
        parts += [Markup("<h3>Delay of labels</h3>"), _curve(found)]
    return pictures.fragment("Imported labels", *parts)


def _checks(decision: Decision) -> Markup:
    rows = [[check.rule, check.slice, check.observed, pictures.verdict(check.verdict)] for check in decision.checks]
    return pictures.table(["check", "of", "observed", "verdict"], rows)


def _matrix(found: Agreement, shown: list[Annotator]) -> Markup:
    place = {one.name: number for number, one in enumerate(shown)}
    values = np.full((len(shown), len(shown)), np.nan)
    for pair in found.pairs:
        if pair.first in place and pair.second in place and pair.kappa is not None:
            first, second = place[pair.first], place[pair.second]
            values[first, second] = values[second, first] = pair.kappa
    return _heat(values, (list(place), list(place)), "kappa of each pair")


def _confusions(found: Agreement, shown: list[Annotator]) -> Markup:
    drawn = [
        _heat(np.array(one.confusions), (found.classes, found.classes), f"{one.name}: true class (row) and label")
        for one in shown
        if one.confusions
    ]
    return Markup("\n".join(drawn))


def _heat(
    values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", names: tuple[list[str], ...], title: str
) -> Markup:
    side = min(1.2 + 0.45 * max(values.shape), 6.0)
    with pictures.figure(side + 0.8, side) as figure:
        axes = figure.add_subplot()
        axes.imshow(values, cmap="Blues", vmin=min(0.0, float(np.nanmin(values, initial=0.0))), vmax=1)
        axes.set_xticks(range(len(names[1])), names[1], rotation=45, ha="right")
        axes.set_yticks(range(len(names[0])), names[0])
        axes.grid(visible=False)
        axes.set_title(title)
        for row, column in np.argwhere(np.isfinite(values)) if values.size <= 150 else ():
            value = values[row, column]
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black")
    return pictures.svg(figure, title)


def _curve(found: Agreement) -> Markup:
    with pictures.figure(5.0, 2.4) as figure:
        axes = figure.add_subplot()
        axes.step([one[0] for one in found.delays.curve], [one[1] for one in found.delays.curve], where="post")
        axes.set(
            xlabel=f"days after the {found.delays.counted_from.replace('_', ' ')}",
            ylabel="share of labels known",
            ylim=(0, 1.02),
        )
    return pictures.svg(figure, "share of the labels that were known, by days")
