"""Draws numbers over time as inline SVG: no script, no library, and a table's worth of facts in its tooltips."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.pictures import COLORS, Markup

WIDTH, HEIGHT = 960, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 34
_STYLES = ("", "6 4", "2 3", "9 3 2 3")
"""Patterns of the lines: series differ in more than their colour."""


@dataclass(frozen=True)
class Point:
    """One measurement."""

    time: float
    """Seconds since 1970."""
    value: float | None
    """None where it could not be computed; the line is broken there."""
    low: float | None = None
    high: float | None = None
    """Its confidence interval."""


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Mark:
    """An instant that explains the lines, such as a deployment."""

    time: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Lines over time, with a bound and marks."""

    title: str
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    bound: float | None = None
    """Drawn as a level line."""
    is_main: bool = True
    """Whether a page shows it at once, and not only to who opens it."""

    def svg(self) -> Markup:
        """Draw it; a paragraph where there is nothing to draw."""
        points = [point for one in self.series for point in one.points if _is_number(point.value)]
        if not points:
            return Markup('<p class="muted">No measurement yet.</p>')
        scale = _Scale.of(points, self.marks, self.bound)
        label = html.escape(f"{self.title}: {', '.join(map(_described, self.series))}")
        body = "".join([*_axes(scale), *self._bound(scale), *self._marks(scale), *self._lines(scale)])
        drawing = f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12">{body}</svg>'
        return Markup(drawing + _legend([one.name for one in self.series]))

    def _bound(self, scale: "_Scale") -> Iterator[str]:
        if self.bound is not None:
            y = scale.y(self.bound)
            yield f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#b3261e"/>'
            yield f'<text x="{_LEFT + 4}" y="{y - 4:.1f}" fill="#b3261e">bound {self.bound:.4g}</text>'

    def _marks(self, scale: "_Scale") -> Iterator[str]:
        last = -math.inf
        for mark in sorted(self.marks, key=lambda mark: mark.time):
            x = scale.x(mark.time)
            yield f"<g><title>{html.escape(f'{mark.label}, {_day(mark.time)}')}</title>"
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" stroke="#667085"'
            yield ' stroke-dasharray="3 3"/>'
            if x - last > 60:  # labels that would overlap are left to the tooltip
                anchor = "end" if x > WIDTH - 90 else "start"
                yield f'<text x="{x:.1f}" y="{_TOP - 4}" text-anchor="{anchor}" fill="#3c4149">'
                yield f"{html.escape(mark.label)}</text>"
                last = x
            yield "</g>"

    def _lines(self, scale: "_Scale") -> Iterator[str]:
        for index, one in enumerate(self.series):
            color, pattern = COLORS[index % len(COLORS)], _STYLES[index % len(_STYLES)]
            for stretch in _stretches(one.points):
                path = " ".join(f"{scale.x(point.time):.1f},{scale.y(point.value or 0.0):.1f}" for point in stretch)
                yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"'
                yield f' stroke-dasharray="{pattern}"/>'
            for point in one.points:
                yield from _dot(point, one.name, color, scale)


@dataclass(frozen=True)
class _Scale:
    first: float
    last: float
    low: float
    high: float

    @classmethod
    def of(cls, points: Sequence[Point], marks: Sequence[Mark], bound: float | None) -> "_Scale":
        times = [*(point.time for point in points), *(mark.time for mark in marks)]
        limits = [limit for point in points for limit in (point.value, point.low, point.high)]
        values = [limit for limit in (*limits, bound) if limit is not None and math.isfinite(limit)]
        low, high = min(values), max(values)
        room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
        first, last = min(times), max(times)
        return cls(first, last if last > first else first + 1.0, low - room, high + room)

    def x(self, time: float) -> float:
        return _LEFT + (time - self.first) / (self.last - self.first) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - _TOP - _BOTTOM)


def _axes(scale: _Scale) -> Iterator[str]:
    for step in range(5):
        value = scale.low + (scale.high - scale.low) * step / 4
        y = scale.y(value)
        yield f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7ec"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#667085">{value:.3g}</text>'
    for step in range(5):
        time = scale.first + (scale.last - scale.first) * step / 4
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        yield f'<text x="{scale.x(time):.1f}" y="{HEIGHT - 12}" text-anchor="{anchor}" fill="#667085">'
        yield f"{_day(time, short=scale.last - scale.first < 3 * 86_400)}</text>"


def _dot(point: Point, name: str, color: str, scale: _Scale) -> Iterator[str]:
    if not _is_number(point.value) or point.value is None:
        return
    x, y = scale.x(point.time), scale.y(point.value)
    interval = f" ({point.low:.4g} to {point.high:.4g})" if point.low is not None and point.high is not None else ""
    yield f"<g><title>{html.escape(f'{name}, {_day(point.time)}: {point.value:.4g}{interval}')}</title>"
    if point.low is not None and point.high is not None:
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{scale.y(point.low):.1f}" y2="{scale.y(point.high):.1f}"'
        yield f' stroke="{color}" stroke-opacity="0.45"/>'
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{color}"/></g>'


def _stretches(points: Sequence[Point]) -> Iterator[list[Point]]:
    """The measurements between those that could not be computed."""
    stretch: list[Point] = []
    for point in sorted(points, key=lambda point: point.time):
        if _is_number(point.value):
            stretch.append(point)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _legend(names: Sequence[str]) -> str:
    entries = []
    for index, name in enumerate(names):
        color, pattern = COLORS[index % len(COLORS)], _STYLES[index % len(_STYLES)]
        line = f'<line x1="0" x2="28" y1="6" y2="6" stroke="{color}" stroke-width="2" stroke-dasharray="{pattern}"/>'
        entries.append(f'<span><svg width="28" height="12" aria-hidden="true">{line}</svg> {html.escape(name)}</span>')
    return f'<p class="legend">{" ".join(entries)}</p>'


def _described(series: Series) -> str:
    known = [point for point in series.points if _is_number(point.value)]
    last = max(known, key=lambda point: point.time, default=None)
    return f"{series.name} {last.value:.4g} at last" if last and last.value is not None else f"{series.name} unknown"


def _day(time: float, *, short: bool = False) -> str:
    form = "%m-%d %H:%M" if short else "%Y-%m-%d"
    return datetime.fromtimestamp(time, UTC).strftime(form)


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
