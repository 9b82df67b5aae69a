"""Draws explanations: a waterfall of the features, the words of a text, heat maps over an image."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import pictures
from core.pictures import COLORS, Markup

UP, DOWN = COLORS[5], COLORS[0]
"""What raises the prediction, and what lowers it."""
GREY = "#b9bec6"
_LABEL = 34
"""Most characters beside a bar."""
_LEFT, _PLOT, _RIGHT, _LINE = 240, 380, 70, 21
"""Of a waterfall in pixels: the names, the bars, the last number, and the height of a line."""


def waterfall(base: float, attributions: Mapping[str, float], values: Mapping[str, str], most: int = 10) -> Markup:
    """Draw how the features lead from the base to the prediction, the largest parts last; small ones are one bar."""
    ranked = sorted(attributions, key=lambda name: -abs(attributions[name]))
    shown, others = ranked[:most], ranked[most:]
    steps = [(_beside(name, values.get(name, "")), attributions[name]) for name in reversed(shown)]
    if others:
        steps.insert(0, (f"{len(others)} other features", sum(attributions[name] for name in others)))
    return _Waterfall(base, steps).drawn()


class _Waterfall:
    """Drawn by hand: a figure of matplotlib takes a quarter of a second."""

    def __init__(self, base: float, steps: Sequence[tuple[str, float]]) -> None:
        self._steps = steps
        self._levels = np.concatenate([[base], base + np.cumsum([value for _, value in steps])])
        low, high = float(self._levels.min()), float(self._levels.max())
        self._low, self._scale = low, _PLOT / ((high - low) or 1.0)

    def drawn(self) -> Markup:
        """Return the whole picture; the first step is at the bottom."""
        base, end = float(self._levels[0]), float(self._levels[-1])
        height = _LINE * len(self._steps) + 2 * _LINE
        parts = [self._rule(base, height, "4 3"), self._rule(end, height, "")]
        for number, (name, value) in enumerate(self._steps):
            parts.append(self._bar(number, name, value))
        parts.append(_text(_LEFT, 12, f"from the base {base:.4g} to {end:.4g}", "start"))
        size = f'viewBox="0 0 {_LEFT + _PLOT + _RIGHT} {height}" width="{_LEFT + _PLOT + _RIGHT}" height="{height}"'
        label = f"Waterfall from {base:.4g} to {end:.4g}"
        return Markup(f'<svg role="img" aria-label="{label}" font-size="12" {size}>{"".join(parts)}</svg>')

    def _at(self, level: float) -> float:
        return _LEFT + (level - self._low) * self._scale

    def _bar(self, number: int, name: str, value: float) -> str:
        start, end = sorted((self._at(self._levels[number]), self._at(self._levels[number + 1])))
        top = _LINE * (len(self._steps) - number)
        width = max(end - start, 1.0)
        place = f'x="{start:.1f}" y="{top + 2}" width="{width:.1f}" height="{_LINE - 5}"'
        bar = f'<rect {place} fill="{UP if value > 0 else DOWN}"/>'
        middle = top + _LINE - 7
        return bar + _text(_LEFT - 8, middle, name, "end") + _text(end + 5, middle, f"{value:+.3g}", "start")

    def _rule(self, level: float, height: int, dashes: str) -> str:
        at = f"{self._at(level):.1f}"
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        return f'<line x1="{at}" x2="{at}" y1="{_LINE}" y2="{height - 6}" stroke="{GREY}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{html.escape(text)}</text>'


def words(found: Sequence[tuple[str, float]]) -> Markup:
    """Draw a text with its words on a background that says what each adds to the prediction."""
    largest = max((abs(value) for _, value in found), default=0.0) or 1.0
    parts = []
    for word, value in found:
        share = round(70 * abs(value) / largest)
        color = f"color-mix(in srgb, {UP if value > 0 else DOWN} {share}%, transparent)"
        title = html.escape(f"{value:+.3g}")
        style = f"background:{color};border-radius:3px;padding:0 2px"
        parts.append(f'<span style="{style}" title="{title}">{html.escape(word)}</span>')
    return Markup(f'<p style="line-height:1.9">{" ".join(parts)}</p>')


def heat_maps(images: Sequence[tuple[str, NDArray[Any] | None, NDArray[np.float64]]]) -> Markup:
    """Draw images beside their cells, each given as title, pixels or None, and [rows, columns] of parts."""
    lines = 2 if any(pixels is not None for _, pixels, _ in images) else 1
    with pictures.figure(1.7 * max(len(images), 2), 0.3 + 1.7 * lines) as figure:
        drawn = figure.subplots(lines, len(images), squeeze=False)
        for (title, pixels, cells), column in zip(images, drawn.T, strict=True):
            above, below = column[0], column[-1]
            height, width = pixels.shape[:2] if pixels is not None else cells.shape
            if pixels is not None:
                above.imshow(pixels.squeeze(), cmap="gray")
                below.imshow(pixels.squeeze(), cmap="gray", alpha=0.3)
            largest = float(np.abs(cells).max()) or 1.0
            extent = (-0.5, width - 0.5, height - 0.5, -0.5)
            below.imshow(
                cells, cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=0.8, extent=extent, interpolation="nearest"
            )
            above.set_title(title, fontsize=8)
            for axes in (above, below):
                axes.set_axis_off()
        return pictures.svg(figure, "Images, and the cells that raise (red) or lower (blue) the prediction")


def legend() -> Markup:
    """Say what the colours mean."""
    return Markup(
        f'<p class="muted"><span style="color:{UP}">&#9632;</span> raises the prediction, '
        f'<span style="color:{DOWN}">&#9632;</span> lowers it</p>'
    )


def _beside(name: str, value: str) -> str:
    text = f"{name} = {' '.join(value.split())}" if value else name
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
