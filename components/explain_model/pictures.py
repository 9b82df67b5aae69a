"""Draws what matters to a model, and why it was most wrong."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifacts.explanations import drawing
from artifacts.explanations.summary import ExplainedRow, ExplanationsSummary
from components.explain_model.importance import Samples
from components.explain_model.rows import EvalRows
from components.explain_model.summary import shown
from core import pictures
from core.decision import Decision
from core.pictures import COLORS, Markup
from serving.models.savedmodel import decoded_image

BARS = 15
"""Features in the plot of importance."""
DEPENDENCE = 4
CATEGORIES = 8
"""Categories in a plot of dependence."""
_FEW = 12
"""A number with at most this many values is drawn as categories."""


def draw(summary: ExplanationsSummary, rows: EvalRows, samples: Samples, decision: Decision, path: Path | str) -> None:
    """Write the pictures."""
    pictures.write(path, *_fragments(summary, rows, samples, decision))


def _fragments(summary: ExplanationsSummary, rows: EvalRows, samples: Samples, decision: Decision) -> Iterator[Markup]:
    stability = "" if summary.stability is None else f"; rank correlation of two samples {summary.stability:.3f}"
    residual = "not finite" if summary.residual is None else f"at most {summary.residual:.1g}"
    yield pictures.fragment(
        "What matters",
        Markup(f"<p>{pictures.verdict(decision.verdict)}: {html.escape(decision.summary)}</p>"),
        Markup(
            f'<p class="muted">{summary.rows} rows of the eval split, {summary.background} background rows of the '
            f"training; what is left unexplained is {residual}{stability}</p>"
        ),
        _importance(summary),
        *([_dependence(summary, rows, samples)] if samples.explained else []),
    )
    for name, found in summary.words.items():
        if found:
            yield pictures.fragment(f"Words of {name}", _words(summary, name))
    if maps := _mean_cells(samples):
        yield pictures.fragment("Where the model looks", drawing.heat_maps(maps))
    if summary.worst:
        yield pictures.fragment("The worst errors, explained", drawing.legend(), *_worst(summary, rows))


def _importance(summary: ExplanationsSummary) -> Markup:
    found = summary.features[:BARS][::-1]
    with_permutation = any(one.permutation is not None for one in found)
    with pictures.figure(9.0, 1.0 + 0.22 * len(found)) as figure:
        drawn = figure.subplots(1, 2 if with_permutation else 1, squeeze=False)[0]
        names: Any = [one.name for one in found]
        drawn[0].barh(names, [one.shapley for one in found], color=COLORS[0])
        for axes in drawn:
            axes.set_axisbelow(True)
        drawn[0].set(title="Mean absolute Shapley value", xlabel="in the unit of the prediction")
        if with_permutation:
            drawn[1].barh(names, [one.permutation or 0.0 for one in found], color=COLORS[1])
            drawn[1].set(title="Permutation importance", xlabel=f"{summary.skill} lost on the eval split")
            drawn[1].tick_params(labelleft=False)
        return pictures.svg(figure, "Importance of the features")


def _dependence(summary: ExplanationsSummary, rows: EvalRows, samples: Samples) -> Markup:
    """Draw the parts of the most important features against their values."""
    columns: list[tuple[str, list[Any]]] = []
    values = [rows.values(int(row)) for row in samples.rows]
    for one in summary.features:
        column = [row[one.name] for row in values]
        if len(columns) < DEPENDENCE and one.shapley > 0 and all(_is_plain(value) for value in column):
            columns.append((one.name, column))
    if not columns:
        return Markup("")
    with pictures.figure(9.0, 2.6) as figure:
        for axes, (name, column) in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
            parts = samples.values[:, list(rows.features.by_name).index(name), samples.commonest_output]
            _draw_dependence(axes, column, parts)
            axes.set_title(name)
        return pictures.svg(figure, "Parts of the most important features against their values")


def _draw_dependence(axes: Any, column: list[Any], parts: NDArray[np.float64]) -> None:
    axes.axhline(0, color=drawing.GREY, linewidth=0.8, linestyle="--")
    known = [value for value in column if value is not None]
    if known and not isinstance(known[0], bytes) and len(set(known)) > _FEW:
        numbers = np.array([np.nan if value is None else float(value) for value in column])
        axes.plot(numbers, parts, ".", markersize=4, alpha=0.6, color=COLORS[0])
        return
    texts = [shown(value) for value in column]
    commonest = sorted(set(texts), key=lambda text: -texts.count(text))[:CATEGORIES]
    for position, text in enumerate(sorted(commonest, key=_number_or_text)):
        own = parts[[at for at, other in enumerate(texts) if other == text]]
        axes.plot(np.full(len(own), position), own, ".", markersize=4, alpha=0.5, color=COLORS[0])
        axes.plot([position - 0.3, position + 0.3], [own.mean()] * 2, color=COLORS[5])
    labels = [text[:12].replace("$", r"\$") for text in sorted(commonest, key=_number_or_text)]
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")


def _number_or_text(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a short text or missing."""
    return not isinstance(value, list) and (not isinstance(value, bytes) or (len(value) <= 40 and value.isascii()))


def _words(summary: ExplanationsSummary, name: str) -> Markup:
    found = summary.words[name][:BARS][::-1]
    with pictures.figure(6.0, 1.0 + 0.22 * len(found)) as figure:
        axes = figure.add_subplot()
        colors = [drawing.UP if one.mean > 0 else drawing.DOWN for one in found]
        labels: Any = [f"{one.word[:24]} ({one.rows})".replace("$", r"\$") for one in found]
        axes.barh(range(len(found)), [one.mean for one in found], color=colors)
        axes.set_yticks(range(len(found)), labels)
        axes.set_axisbelow(True)
        axes.set(title="Mean part of the words (rows that have them)", xlabel="in the unit of the prediction")
        return pictures.svg(figure, f"The most important words of {name}")


def _mean_cells(samples: Samples) -> list[tuple[str, None, NDArray[np.float64]]]:
    """Return by image feature the mean absolute parts of its cells, where all images have the same."""
    maps = []
    for name in samples.explained[0].cells if samples.explained else ():
        cells = [one.cells[name] for one in samples.explained if name in one.cells]
        if len({one.shape for one in cells}) == 1:
            maps.append((f"{name}, all rows", None, np.abs(np.stack(cells)).mean(axis=0)))
    return maps


def _worst(summary: ExplanationsSummary, rows: EvalRows) -> Iterator[Markup]:
    for one in summary.worst:
        of = f" (explained: {one.output})" if one.output else ""
        if len(one.attributions) > 1 or one.words:
            yield Markup(
                f"<h3>label {html.escape(one.label)}, prediction {html.escape(one.prediction)}{html.escape(of)}</h3>"
            )
        if len(one.attributions) > 1:
            yield drawing.waterfall(one.base, one.attributions, one.values)
        for found in one.words.values():
            yield drawing.words(found)
    maps = [(one, name) for one in summary.worst for name in one.cells]
    if maps:
        yield drawing.heat_maps([_map(rows, one, name) for one, name in maps])


def _map(rows: EvalRows, one: ExplainedRow, name: str) -> tuple[str, NDArray[Any] | None, NDArray[np.float64]]:
    value = rows.values(one.row)[name]
    if isinstance(value, bytes):
        pixels = decoded_image(value)
    else:
        shape = rows.features.by_name[name].shape
        pixels = np.array(value, float).reshape([size or -1 for size in shape])
    return f"{one.label}, read as {one.prediction}"[:28], pixels, np.array(one.cells[name])
