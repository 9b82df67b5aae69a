"""When the tasks of a run ran, as SVG: a bar per task over an axis; of many tasks, most are folded into one row."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import NamedTuple

from localrun.display.picture import shortened, svg
from localrun.markup import COLOURS, GREY, INK
from localrun.records import Run, State, TaskRun

_ROW, _LEFT, _PLOT, _AXIS, _FOLD = 22, 290, 640, 34, 50
_LETTERS = 40
_BARS = 40
"""Tasks with a bar of their own."""
_SLICES = 160
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
_TICKS = 8


class Bar(NamedTuple):
    """One task; times in seconds since the first task began."""

    task: TaskRun
    start: float
    end: float


def timeline(run: Run) -> str:
    """Draw a bar per task that ran, over the seconds since the first of them began."""
    timed = [(task, task.started, task.finished or task.started) for task in run.tasks if task.started is not None]
    if not timed:
        return ""
    began = min(start for _, start, _ in timed)
    bars = sorted((_bar(began, *one) for one in timed), key=lambda bar: bar.start)
    total = max(0.001, *(bar.end for bar in bars))
    kept = _kept(bars)
    shown = [bar for bar in bars if bar.task.path in kept]
    rest = [bar for bar in bars if bar.task.path not in kept]
    rows = [_drawn(number, bar, _PLOT / total) for number, bar in enumerate(shown)]
    height = len(rows) * _ROW + (_FOLD if rest else 0)
    shapes = [*_axis(total, height), *rows, *(_fold(rest, total, len(rows) * _ROW) if rest else ())]
    return svg(_LEFT + _PLOT + 40, height + _AXIS, f"Timeline of {run.run_id}: {total:.1f} s", shapes)


def label(path: str) -> str:
    """Name a task so that iterations of a loop can be told apart: whole paths, or what is left without group names."""
    if len(path) <= _LETTERS:
        return path
    *groups, name = path.split("/")
    indices = [f"…{group[group.rindex('[') :]}" for group in groups if group.endswith("]")]
    around = "".join(f"{index}/" for index in indices) or "…/"
    return f"{around}{shortened(name, max(_LETTERS - len(around), 12))}"


def _bar(began: datetime, task: TaskRun, start: datetime, end: datetime) -> Bar:
    return Bar(task, (start - began).total_seconds(), (end - began).total_seconds())


def _kept(bars: Sequence[Bar]) -> set[str]:
    """Paths of the tasks that get a bar of their own: failed ones first, then the longest."""
    ordered = sorted(bars, key=lambda bar: (bar.task.state is not State.FAILED, bar.start - bar.end))
    return {bar.task.path for bar in ordered[:_BARS]}


def _drawn(number: int, bar: Bar, scale: float) -> str:
    x, width, y = _LEFT + bar.start * scale, max((bar.end - bar.start) * scale, 2), number * _ROW
    return (
        f'<g class="task"><title>{escape(bar.task.path)}</title>'
        f'<text x="0" y="{y + 15}" fill="{INK}">{escape(label(bar.task.path))}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" rx="2" '
        f'fill="{COLOURS.get(bar.task.state, GREY)}"/></g>'
    )


def _fold(bars: Sequence[Bar], total: float, top: int) -> Iterator[str]:
    """Draw how many of the other tasks ran at each moment."""
    counts = [0] * _SLICES
    for bar in bars:
        first, last = (min(int(moment / total * _SLICES), _SLICES - 1) for moment in (bar.start, bar.end))
        for place in range(first, last + 1):
            counts[place] += 1
    most, width = max(counts), _PLOT / _SLICES
    yield f'<text x="0" y="{top + 20}" fill="{INK}">{len(bars):,} more tasks</text>'
    about = f"up to {most:,} of them in {total / _SLICES:.2g} s"
    yield f'<text x="0" y="{top + 36}" fill="{GREY}" font-size="10">{about}</text>'
    for place, count in enumerate(counts):
        if count:
            tall = max(count / most * (_FOLD - 10), 1)
            x, y = _LEFT + place * width, top + _FOLD - 4 - tall
            yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{tall:.1f}" fill="{GREY}"/>'


def _axis(total: float, height: int) -> Iterator[str]:
    step = next((step for step in _STEPS if total / step <= _TICKS), total / _TICKS)
    yield f'<path d="M{_LEFT} {height + 4} H{_LEFT + _PLOT}" stroke="{GREY}"/>'
    for number in range(int(total / step) + 1):
        x = _LEFT + number * step / total * _PLOT
        yield f'<path d="M{x:.1f} 0 V{height + 9}" stroke="#e2e2e2"/>'
        where = f'x="{x:.1f}" y="{height + 24}" fill="{GREY}" font-size="10" text-anchor="middle"'
        yield f"<text {where}>{_moment(number * step)}</text>"


def _moment(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02} h" if hours else f"{minutes}:{rest:02} min"
