"""Which tasks may come next while others run, and what is known of their inputs by then."""

from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl

import localrun
from localrun.graph.coming import Foresight
from localrun.graph.graph import Graph
from localrun.graph.nodes import Node
from localrun.records import Artifact, State, Values
from localrun.spec.commands import function_name

_RUNTIME = {"pipeline_job_uuid": "1"}


class Position:
    """A run that has begun: its tasks run until they are said to have ended."""

    def __init__(self, path: Path, parameters: dict[str, Any], ahead: Collection[str]) -> None:
        pipeline = localrun.load(path)
        self._graph = Graph(pipeline, Values(parameters), _RUNTIME, ahead)
        self._foresight = Foresight(pipeline, _RUNTIME, ahead)
        self._running: dict[str, Node] = {}
        self._graph.advance()
        self._start()

    def end(self, task: str, *artifacts: Artifact, **parameters: Any) -> None:
        """Have a task end with outputs, and those start that waited for it."""
        outputs = Values(parameters, {artifact.name: artifact for artifact in artifacts})
        self._graph.finish(self._running.pop(task), State.SUCCEEDED, outputs)
        self._start()

    def after(self, task: str) -> dict[str, Values]:
        """Return what may come when a task has started: what is known of it, by the name of its function."""
        coming = self._foresight.following(self._running[task], self._running.values())
        return {function_name(one.container): one.known for one in coming}

    def _start(self) -> None:
        while self._graph.ready:
            node, _ = self._graph.ready.popleft()
            self._running[node.path] = node


Begin = Callable[..., Position]


@pytest.fixture
def begin(compiled: Callable[[Any], Path]) -> Begin:
    def begun(pipeline: Any, parameters: dict[str, Any] | None = None, ahead: Collection[str] = ()) -> Position:
        return Position(compiled(pipeline), parameters or {}, ahead)

    return begun


def _data(digest: str = "1") -> Artifact:
    return Artifact("data", "system.Dataset", "0.0.1", "/data", digest)


def test_what_a_task_makes_that_still_runs_is_not_known(stages: ModuleType, begin: Begin) -> None:
    @dsl.pipeline(name="both")
    def pipeline() -> None:
        written = stages.write(text="a")
        stages.read(data=written.outputs["data"], log=stages.echo(text="b").output)

    position = begin(pipeline)
    assert position.after("write") == {"read": Values()}
    position.end("write", _data())
    assert position.after("echo") == {"read": Values({}, {"data": _data()})}


def test_nothing_comes_that_waits_for_a_task_which_has_not_started(stages: ModuleType, begin: Begin) -> None:
    @dsl.pipeline(name="diamond")
    def pipeline() -> None:
        first = stages.echo(text="a")
        second = stages.write(text=first.output)
        stages.read(data=second.outputs["data"], log=first.output)

    position = begin(pipeline)
    assert position.after("echo").keys() == {"write"}
    position.end("echo", Output="known")
    assert position.after("write") == {"read": Values({"log": "known"})}


def test_groups_begin_with_tasks_of_which_the_items_are_not_known(stages: ModuleType, begin: Begin) -> None:
    @dsl.pipeline(name="groups")
    def pipeline(number: int) -> None:
        first = stages.echo(text="a")
        with dsl.If(first.output == "a"):
            stages.read(data=stages.by_path(text="inside").outputs["copy"])
            with dsl.ParallelFor([1, 2]) as item:
                stages.add(a=item, b=number)

    position = begin(pipeline, {"number": 5})
    assert position.after("echo") == {"by_path": Values({"text": "inside"}), "add": Values({"b": 5})}


def test_what_follows_a_group_comes_when_its_last_task_runs(stages: ModuleType, begin: Begin) -> None:
    @dsl.pipeline(name="inner")
    def inner() -> None:
        stages.pair(n=stages.add(a=1).output)

    @dsl.pipeline(name="outer")
    def outer(text: str) -> None:
        stages.variable(name=text).after(inner())

    position = begin(outer, {"text": "b"})
    assert position.after("inner/add") == {"pair": Values()}
    position.end("inner/add", Output=2)
    assert position.after("inner/pair") == {"variable": Values({"name": "b"})}


def _behind_a_gate(stages: ModuleType) -> Any:
    """A task that takes something from one, and waits for another as well."""

    @dsl.pipeline(name="gated")
    def pipeline() -> None:
        data = stages.echo(text="a")
        gate = stages.variable(name="b").after(stages.pair(n=1))
        stages.write(text=data.output).after(gate)

    return pipeline


def test_a_task_that_may_run_ahead_waits_for_its_sources_alone(stages: ModuleType, begin: Begin) -> None:
    pipeline = _behind_a_gate(stages)
    assert begin(pipeline).after("echo") == {}
    assert begin(pipeline, ahead={"write"}).after("echo") == {"write": Values({"log": ""})}


def test_a_text_with_a_value_that_is_awaited_is_not_known(stages: ModuleType, begin: Begin) -> None:
    @dsl.pipeline(name="texts")
    def pipeline(known: str) -> None:
        ended = stages.echo(text="a")
        running = stages.add(a=1).after(ended)
        stages.by_path(text=f"{ended.output} {running.output}")
        stages.write(text=f"{ended.output} {known}").after(running)

    position = begin(pipeline, {"known": "b"})
    position.end("echo", Output="a")
    coming = position.after("add")
    assert "text" not in coming["by_path"].parameters
    assert coming["write"].parameters["text"] == "a b"


def test_a_task_that_runs_ahead_of_others_does_not_come_again(stages: ModuleType, begin: Begin) -> None:
    pipeline = _behind_a_gate(stages)
    position = begin(pipeline, ahead={"write"})
    position.end("echo", Output="a")
    position.end("pair", small=1, large=1.0)
    assert position.after("variable") == {}
