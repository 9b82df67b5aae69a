"""A run as nested boxes: tasks inside the groups they belong to, side by side in the order of what they wait for.

What is too much for a picture is folded: of many boxes in a column, and of many columns, some are drawn and one box
stands for the rest; boxes of failed tasks are never the folded ones while others are left.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from localrun.records import Run, State, TaskRun
from localrun.spec.pipeline import Component, Dag, Pipeline

_INDEX = re.compile(r"\[(\d+)\]$")
_MOST = 300
"""Boxes of a picture, before columns are folded more."""
_LIMITS = (12, 6, 3, 2)
"""How many boxes of a column are drawn, from generous to strict."""
_COLUMNS = 24
_RANKS = {State.FAILED: 0, State.RUNNING: 1, State.CANCELLED: 2, State.UPSTREAM_FAILED: 3}


@dataclass
class Box:
    """One task, one group, or what is folded."""

    name: str
    task: TaskRun | None = None
    """Its record; a group has one only when it is a loop."""
    columns: list[list["Box"]] = field(default_factory=list)
    """Of a group: its boxes from left to right, each column from top to bottom."""
    edges: set[tuple[int, int]] = field(default_factory=set)
    """Of a group: `id` of a box and of one that waited for it."""
    folded: Counter[str] = field(default_factory=Counter)
    """Of a folded box: how many tasks in each state it stands for."""

    @property
    def inner(self) -> list["Box"]:
        """The boxes of a group."""
        return [box for column in self.columns for box in column]

    def states(self) -> "Counter[str]":
        """Return how many tasks it holds, by state."""
        if self.columns:
            return sum((box.states() for box in self.inner), Counter())
        return self.folded or Counter([str(self.task.state) if self.task else str(State.PENDING)])

    @property
    def rank(self) -> int:
        """How much it wants to be seen; 0 is most."""
        return min((_RANKS.get(State(state), 9) for state in self.states()), default=9)


@dataclass(frozen=True)
class _Source:
    pipeline: Pipeline
    tasks: Mapping[str, TaskRun]
    iterations: Mapping[str, Sequence[int]]
    limit: int


def boxes(pipeline: Pipeline, run: Run) -> Box:
    """Return the box of the whole run."""
    tasks = {task.path: task for task in run.tasks}
    iterations = _iterations(tasks)
    whole = Box(run.pipeline)
    for limit in _LIMITS:
        whole = _group(_Source(pipeline, tasks, iterations, limit), pipeline.root, "", run.pipeline)
        if sum(1 for _ in _every(whole)) <= _MOST:
            break
    return whole


def _every(box: Box) -> Iterator[Box]:
    yield box
    for inner in box.inner:
        yield from _every(inner)


def _iterations(paths: Iterable[str]) -> dict[str, list[int]]:
    """Return loop -> indices of the iterations that came up."""
    found: dict[str, set[int]] = {}
    for path in paths:
        segments = path.split("/")
        for length, segment in enumerate(segments, 1):
            index = _INDEX.search(segment)
            if index is not None:
                loop = "/".join(segments[:length])[: -len(index[0])]
                found.setdefault(loop, set()).add(int(index[1]))
    return {loop: sorted(indices) for loop, indices in found.items()}


def _group(source: _Source, component: Component, prefix: str, name: str) -> Box:
    dag = component.implementation
    assert isinstance(dag, Dag)
    inner = {task: _of_task(source, dag, prefix, task) for task in dag.tasks}
    edges = [(upstream, task) for task in dag.tasks for upstream in dag.tasks[task].upstream if upstream in inner]
    return _placed(Box(name), inner, edges, source.limit)


def _of_task(source: _Source, dag: Dag, prefix: str, name: str) -> Box:
    task, path = dag.tasks[name], f"{prefix}{name}"
    component = source.pipeline.components[task.component]
    if not isinstance(component.implementation, Dag):
        return Box(name, source.tasks.get(path))
    if task.loop is None:
        return _group(source, component, f"{path}/", name)
    indices = source.iterations.get(path, ())
    loop = Box(name, source.tasks.get(path))
    every = {str(index): _group(source, component, f"{path}[{index}]/", f"{name}[{index}]") for index in indices}
    return _placed(loop, every, [], source.limit)


def _placed(group: Box, inner: Mapping[str, Box], edges: Sequence[tuple[str, str]], limit: int) -> Box:
    """Put the boxes of a group into columns, each behind all that it waited for, and fold what is too much."""
    drawn = {id(box): box for box in inner.values()}
    columns = [_folded(column, limit, drawn) for column in _columns(inner, edges)]
    if len(columns) > _COLUMNS:
        head, tail = _COLUMNS // 2, _COLUMNS // 2 - 1
        middle = [box for column in columns[head:-tail] for box in column]
        columns[head:-tail] = [_folded(middle, 0, drawn)]
    ends = {(id(drawn[id(inner[a])]), id(drawn[id(inner[b])])) for a, b in edges}
    group.columns, group.edges = columns, {(a, b) for a, b in ends if a != b}
    return group


def _columns(inner: Mapping[str, Box], edges: Sequence[tuple[str, str]]) -> list[list[Box]]:
    waits: dict[str, set[str]] = {name: set() for name in inner}
    for source, target in edges:
        waits[target].add(source)
    columns: list[list[Box]] = []
    done: set[str] = set()
    while waits:
        # A circle cannot occur, and would not hang.
        ready = [name for name, sources in waits.items() if sources <= done] or list(waits)
        columns.append([inner[name] for name in ready])
        done |= set(ready)
        waits = {name: sources for name, sources in waits.items() if name not in done}
    return columns


def _folded(column: list[Box], limit: int, drawn: dict[int, Box]) -> list[Box]:
    """Return a column with at most `limit` boxes and one for the rest; `drawn` learns what stands for which box."""
    if len(column) <= limit:
        return column
    kept = {id(box) for box in sorted(column, key=lambda box: box.rank)[: max(limit - 1, 0)]}
    rest = [box for box in column if id(box) not in kept]
    fold = Box(f"{len(rest):,} more", folded=sum((box.states() for box in rest), Counter()))
    gone = {id(box) for box in rest}
    drawn.update({key: fold for key, box in drawn.items() if id(box) in gone})
    return [*(box for box in column if id(box) in kept), fold]
