"""What the pictures of a run promise: everything has its place, boxes can be told apart, and much is folded."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from kfp import dsl

import localrun
from localrun import Run, State, TaskRun
from localrun.display.page import page
from localrun.display.picture import graph
from localrun.display.timeline import label, timeline

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def run_of(*tasks: TaskRun, **facts: Any) -> Run:
    return Run("r-1", "p", State.SUCCEEDED, {}, BEGAN, 1.0, Path("/store/runs/r-1"), tasks=tasks, **facts)


def task(path: str, state: State = State.SUCCEEDED, start: float = 0, seconds: float = 1, error: str = "") -> TaskRun:
    started = BEGAN + timedelta(seconds=start)
    finished = started + timedelta(seconds=seconds)
    name = path.rpartition("/")[2]
    return TaskRun(
        path, name, "comp", "f", state=state, started=started, finished=finished, seconds=seconds, error=error
    )


@pytest.fixture
def loop(stages: ModuleType, compiled: Callable[[Any], Path]) -> localrun.Pipeline:
    @dsl.pipeline(name="loop")
    def pipeline(items: list) -> None:
        with dsl.ParallelFor(items) as item:
            stages.echo(text=stages.echo(text=item).output)

    return localrun.load(compiled(pipeline))


def iterations(count: int, *failed: int) -> list[TaskRun]:
    """Each fails in its first task or not at all."""
    tasks = [task("for-loop-1", State.FAILED if failed else State.SUCCEEDED, seconds=count)]
    for number in range(count):
        bad = number in failed
        first = State.FAILED if bad else State.SUCCEEDED
        after = State.UPSTREAM_FAILED if bad else State.SUCCEEDED
        tasks.append(task(f"for-loop-1[{number}]/echo", first, number, error="broke" if bad else ""))
        tasks.append(replace(task(f"for-loop-1[{number}]/echo-2", after, number + 1)))
    return tasks


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_iterations_can_be_told_apart_and_stand_inside_their_loop(loop: localrun.Pipeline) -> None:
    picture = graph(loop, run_of(*iterations(3)))
    written = texts(picture)
    assert {"for-loop-1[0]", "for-loop-1[1]", "for-loop-1[2]"} <= set(written)
    assert picture.count("<path") == 3  # between the tasks of each iteration
    frames = [_box(group) for group in ElementTree.fromstring(picture).findall("{*}g[@class='group']")]
    tasks = [_box(group) for group in ElementTree.fromstring(picture).findall("{*}g[@class='task']")]
    outer, *inner = frames
    assert all(_holds(outer, box) for box in [*inner, *tasks])
    assert all(sum(_holds(box, one) for box in inner) == 1 for one in tasks)
    assert not any(_holds(a, b) for a in tasks for b in tasks if a != b)


def _box(group: ElementTree.Element) -> tuple[float, float, float, float]:
    rect = group.find("{*}rect")
    assert rect is not None
    x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _holds(outer: tuple[float, float, float, float], inner: tuple[float, float, float, float]) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def test_two_thousand_tasks_are_folded_and_the_failed_ones_are_seen(loop: localrun.Pipeline) -> None:
    run = run_of(*iterations(1000, 777, 901))
    picture = graph(loop, run)
    assert picture.count("<rect") < 100
    assert {"for-loop-1[777]", "for-loop-1[901]"} <= set(texts(picture))
    assert "989 more" in texts(picture)
    assert "1,978 SUCCEEDED" in texts(picture)
    drawn = timeline(run)
    assert drawn.count('<g class="task">') == 40
    assert {"for-loop-1[777]/echo", "for-loop-1[901]/echo", "1,961 more tasks"} <= set(texts(drawn))
    html = page(run, picture)
    assert "<details><summary>1,951 more" in html
    assert html.index("First error: for-loop-1[777]/echo") < html.index("<svg")
    assert html.index("for-loop-1[777]/echo</td>") < html.index("for-loop-1[0]/echo</td>")


def test_a_long_chain_is_folded_in_its_middle(stages: ModuleType, compiled: Callable[[Any], Path]) -> None:
    @dsl.pipeline(name="chain")
    def pipeline() -> None:
        before = stages.echo(text="a")
        for _ in range(39):
            before = stages.echo(text=before.output)

    names = ["echo", *(f"echo-{number}" for number in range(2, 41))]
    picture = graph(localrun.load(compiled(pipeline)), run_of(*(task(name) for name in names)))
    assert picture.count('<g class="task">') == 24
    assert picture.count("<path") == 23
    assert "17 more" in texts(picture)
    assert {"echo", "echo-40"} <= set(texts(picture))


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (7, ["0 s", "1 s", "2 s", "3 s", "4 s", "5 s", "6 s", "7 s"]),
        (200, ["0 s", "30 s", "1:00 min", "1:30 min", "2:00 min", "2:30 min", "3:00 min"]),
        (9000, ["0 s", "20:00 min", "40:00 min", "1:00 h", "1:20 h", "1:40 h", "2:00 h", "2:20 h"]),
    ],
)
def test_a_timeline_stands_on_an_axis(seconds: float, ticks: list[str]) -> None:
    written = texts(timeline(run_of(task("a", seconds=seconds))))
    assert [text for text in written if re.fullmatch(r"[\d.:]+ (s|min|h)", text)] == ticks


def test_labels_of_a_loops_tasks_differ() -> None:
    name = "a-component-with-a-name-that-is-far-too-long-for-a-picture"
    paths = [f"for-loop-1[{a}]/condition-2/for-loop-3[{b}]/{name}" for a in (1, 12) for b in (0, 2000)]
    labels = [label(path) for path in paths]
    assert len(set(labels)) == 4
    assert all(len(text) <= 40 for text in labels)
    assert labels[1].startswith("…[1]/…[2000]/a-comp")


def test_outputs_of_the_pipeline_are_on_the_page(loop: localrun.Pipeline) -> None:
    artifact = localrun.Artifact("model", "system.Model", "0.0.1", "/store/artifacts/m", "sha256:ab", {"a": "<i>"})
    outputs = localrun.Values({"accuracy": 0.75}, {"model": artifact})
    html = page(run_of(*iterations(1), outputs=outputs), "")
    assert html.index("Outputs of the pipeline") < html.index("<h2>Graph")
    assert "<code>0.75</code>" in html
    assert "href='../../artifacts/m'" in html
    assert "&lt;i&gt;" in html
