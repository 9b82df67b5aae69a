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


def waterfall(base: float, attributions: Mapping[str, float], values: Mapping[str, str], most: int = 10) -> Markup:
    """Draw how the features lead from the base to the prediction, the largest parts last; small ones are one bar."""
    ranked = sorted(attributions, key=lambda name: -abs(attributions[name]))
    shown, others = ranked[:most], ranked[most:]
    steps = [(_beside(name, values.get(name, "")), attributions[name]) for name in reversed(shown)]
    if others:
        steps.insert(0, (f"{len(others)} other features", sum(attributions[name] for name in others)))
    with pictures.figure(6.4, 0.9 + 0.27 * len(steps)) as figure:
        axes = figure.add_subplot()
        at = base
        for position, (_, value) in enumerate(steps):
            axes.barh(position, value, left=at, color=UP if value > 0 else DOWN, height=0.7)
            at += value
            axes.text(max(at, at - value), position, f" {value:+.3g}", va="center", fontsize=8)
        axes.axvline(base, color=GREY, linewidth=0.8, linestyle="--")
        axes.axvline(at, color="#3c4149", linewidth=0.8)
        axes.set_yticks(range(len(steps)), [name for name, _ in steps])
        axes.margins(x=0.12)
        axes.set(title=f"from {base:.4g}, the mean, to {at:.4g}", xlabel="prediction")
        return pictures.svg(figure, f"Waterfall from {base:.4g} to {at:.4g}")


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
    with pictures.figure(1.7 * max(len(images), 2), 3.7) as figure:
        drawn = figure.subplots(2, len(images), squeeze=False)
        for (title, pixels, cells), (above, below) in zip(images, drawn.T, strict=True):
            height, width = pixels.shape[:2] if pixels is not None else cells.shape
            if pixels is not None:
                above.imshow(pixels.squeeze(), cmap="gray")
                below.imshow(pixels.squeeze(), cmap="gray", alpha=0.45)
            largest = float(np.abs(cells).max()) or 1.0
            extent = (-0.5, width - 0.5, height - 0.5, -0.5)
            below.imshow(
                cells, cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=0.75, extent=extent, interpolation="nearest"
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
    text = text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
    return text.replace("$", r"\$")
