"""Pictures of a run as SVG: its graph, and when each task ran."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

from localrun.markup import COLOURS, GREY, INK
from localrun.records import Run, TaskRun
from localrun.spec.pipeline import Component, Dag, Pipeline

_BOX, _GAP, _ROW = (190, 40), (46, 14), 22
_ITERATION = re.compile(r"\[\d+\]$")
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def graph(pipeline: Pipeline, run: Run) -> str:
    """Draw tasks as boxes from left to right, each after those it waited for."""
    tasks = {task.path: task for task in run.tasks}
    edges = {path: _sources(pipeline, path, tasks) for path in tasks}
    columns = _columns(edges)
    places = {
        path: (x * (_BOX[0] + _GAP[0]), y * (_BOX[1] + _GAP[1]))
        for x, column in enumerate(columns)
        for y, path in enumerate(column)
    }
    lines = [_line(places[source], places[path]) for path, sources in edges.items() for source in sorted(sources)]
    boxes = [_box(tasks[path], place) for path, place in places.items()]
    width = max((x for x, _ in places.values()), default=0) + _BOX[0]
    height = max((y for _, y in places.values()), default=0) + _BOX[1]
    return _svg(width, height, f"Graph of {run.run_id}", [*lines, *boxes])


def timeline(run: Run) -> str:
    """Draw a bar per task that ran, over the seconds since the first of them began."""
    bars = [(task, task.started, task.finished or task.started) for task in run.tasks if task.started is not None]
    if not bars:
        return ""
    began, ended = min(start for _, start, _ in bars), max(end for _, _, end in bars)
    total = max((ended - began).total_seconds(), 0.001)
    shapes = [_bar(number, bar, began, 640 / total) for number, bar in enumerate(sorted(bars, key=lambda bar: bar[1]))]
    return _svg(960, len(bars) * _ROW, f"Timeline of {run.run_id}: {total:.1f} s", shapes)


def _sources(pipeline: Pipeline, path: str, tasks: Mapping[str, TaskRun]) -> set[str]:
    """Paths of the tasks that a task waited for; of a group, those that nothing of the group waited for."""
    component, prefix, found = pipeline.root, "", set[str]()
    for segment in path.split("/"):
        dag = component.implementation
        task = dag.tasks.get(_ITERATION.sub("", segment)) if isinstance(dag, Dag) else None
        if task is None:
            break
        if task.upstream:
            found = {end for name in task.upstream for end in _ends(pipeline, component, f"{prefix}{name}", tasks)}
        prefix += f"{segment}/"
        component = pipeline.components[task.component]
    return found - {path}


def _ends(pipeline: Pipeline, parent: Component, path: str, tasks: Mapping[str, TaskRun]) -> Iterable[str]:
    """The task of a path, or the last ones of the group that it is."""
    dag = parent.implementation
    assert isinstance(dag, Dag)
    inner = pipeline.components[dag.tasks[_ITERATION.sub("", path.rpartition("/")[2])].component]
    if not isinstance(inner.implementation, Dag) or path in tasks:
        return [path] if path in tasks else []
    waited = {name for task in inner.implementation.tasks.values() for name in task.upstream}
    return [
        end
        for name in inner.implementation.tasks
        if name not in waited
        for end in _ends(pipeline, inner, f"{path}/{name}", tasks)
    ]


def _columns(edges: Mapping[str, set[str]]) -> list[list[str]]:
    depth: dict[str, int] = {}
    waiting = list(edges)
    while waiting:
        known = [
            path for path in waiting if edges[path] <= depth.keys()
        ] or waiting  # a circle cannot occur, and would not hang
        for path in known:
            depth[path] = 1 + max((depth.get(source, -1) for source in edges[path]), default=-1)
        waiting = [path for path in waiting if path not in depth]
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for path in edges:
        columns[depth[path]].append(path)
    return columns


def _line(source: tuple[int, int], target: tuple[int, int]) -> str:
    x1, y1, x2, y2 = source[0] + _BOX[0], source[1] + _BOX[1] // 2, target[0], target[1] + _BOX[1] // 2
    middle = (x1 + x2) // 2
    return f'<path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" stroke="{GREY}"/>'


def _box(task: TaskRun, place: tuple[int, int]) -> str:
    x, y = place
    colour = COLOURS.get(task.state, GREY)
    name = task.path if len(task.path) <= 27 else f"…{task.path[-26:]}"
    return (
        f"<g><title>{escape(task.path)}</title>"
        f'<rect x="{x + 1}" y="{y + 1}" width="{_BOX[0] - 2}" height="{_BOX[1] - 2}" rx="5" '
        f'fill="white" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{x + 10}" y="{y + 17}" fill="{INK}">{escape(name)}</text>'
        f'<text x="{x + 10}" y="{y + 32}" fill="{colour}" font-size="10">{escape(status(task))}</text></g>'
    )


def status(task: TaskRun) -> str:
    """A task's state in a few words."""
    if task.cached:
        return "from the cache"
    return f"{task.state}, {task.seconds:.1f} s" if task.seconds else str(task.state)


def _bar(number: int, bar: tuple[TaskRun, datetime, datetime], began: datetime, scale: float) -> str:
    task, start, end = bar
    x, width = 260 + (start - began).total_seconds() * scale, max((end - start).total_seconds() * scale, 2)
    y = number * _ROW
    name = task.path if len(task.path) <= 38 else f"…{task.path[-37:]}"
    return (
        f'<g><title>{escape(task.path)}</title><text x="0" y="{y + 15}" fill="{INK}">{escape(name)}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" rx="2" '
        f'fill="{COLOURS.get(task.state, GREY)}"/></g>'
    )


def _svg(width: int, height: int, title: str, shapes: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" {_FONT}>'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *shapes, "</svg>\n"])
