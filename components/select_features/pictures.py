"""Draws the methods beside each other, and what each feature gives and costs."""

from collections.abc import Iterator
from pathlib import Path

from artifacts.selection.selection import FeatureResult, Selection
from core import pictures
from core.pictures import COLORS, Markup

_WIDTH = 120


def draw(selection: Selection, path: Path | str) -> None:
    """Write the pictures."""
    summary = (
        f"{len(selection.left_out)} of {len(selection.features)} features are left out by {selection.chosen}: "
        f"the smallest set that loses at most {selection.max_loss:g} {selection.skill}. Every number is of held-out "
        f"rows, and every selection was made without them: {selection.folds} folds, {len(selection.seeds)} seeds, "
        f"{selection.rows:,} rows of the train split."
    )
    parts = (_methods(selection), _loss_against_features(selection), _features(selection))
    pictures.write(path, pictures.fragment("Selected features", summary, *parts))


def _methods(selection: Selection) -> Markup:
    metrics = list(selection.methods[0].metrics)
    rows: list[list[str | float | None]] = []
    for one in selection.methods:
        name = pictures.bold(one.name) if one.name == selection.chosen else one.name
        numbers = [one.metrics[metric] for metric in metrics]
        rows.append([name, len(one.features), *numbers, one.loss, one.loss_at_most, one.stability, one.seconds])
    return pictures.table(
        ["method", "features", *metrics, f"{selection.skill} lost", "at most", "stability", "seconds"], rows
    )


def _loss_against_features(selection: Selection) -> Markup:
    with pictures.figure(6.0, 2.6) as figure:
        axes = figure.subplots()
        for index, one in enumerate(selection.methods):
            error = [[0.0], [max(one.loss_at_most - one.loss, 0.0)]]
            color = COLORS[index % len(COLORS)]
            axes.errorbar([len(one.features)], [one.loss], yerr=error, fmt="o", color=color, capsize=3, label=one.name)
        axes.axhline(selection.max_loss, color=COLORS[5], linestyle="--", linewidth=1)
        axes.set_xlabel("features")
        axes.set_ylabel(f"{selection.skill} lost")
        axes.set_title("Skill lost against the number of features; the dashed line is the bound")
        axes.legend(fontsize=7)
        return pictures.svg(figure, "skill lost against the number of features, by method")


def _features(selection: Selection) -> Markup:
    methods = [one.name for one in selection.methods[1:]]
    top = max((one.gain or 0.0 for one in selection.features), default=0.0) or 1.0
    rows = [list(_row(one, methods, top)) for one in sorted(selection.features, key=lambda one: -(one.gain or 0.0))]
    headings = ["feature", "", "gain", "", *methods, "ns a row", "vocabulary bytes", "read by module.py"]
    return pictures.table(headings, rows)


def _row(one: FeatureResult, methods: list[str], top: float) -> Iterator[str | float | None]:
    verdict = f"{one.verdict} ({one.why})" if one.why else one.verdict
    yield one.name
    yield pictures.muted(verdict) if one.verdict not in ("selected", "kept") else verdict
    yield one.gain
    width = max(0.0, (one.gain or 0.0) / top) * _WIDTH
    yield Markup(
        f'<svg aria-hidden="true" width="{_WIDTH}" height="10"><rect width="{width:.1f}" height="10" '
        f'fill="{COLORS[0]}"/></svg>'
    )
    for method in methods:
        yield one.chosen.get(method)
    yield one.nanoseconds
    yield one.vocabulary_bytes
    yield "yes" if one.read_by_module else "no"
