"""A task that only waits for others may be computed ahead of them; whatever it comes to, they come first."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl
from localrun_project import gone

import localrun
from localrun import Environment, Options, Run, State
from localrun.events import Event, TaskChanged

Go = Callable[..., Run]


def states(run: Run) -> dict[str, State]:
    return {task.path: task.state for task in run.tasks}


class Seen:
    """The states that tasks came to, in order."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, State]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, TaskChanged):
            self.changes.append((event.task.path, event.task.state))

    def of(self, path: str) -> list[State]:
        return [state for name, state in self.changes if name == path]


def refused(stages: ModuleType, folder: Path, work: Callable[[], Any], signal: str) -> Any:
    """A gate that fails as soon as a file is there, and work that waits for it and makes the file."""

    @dsl.pipeline(name="refused")
    def pipeline() -> None:
        waits = stages.meet(folder=str(folder), me="gate", other=signal)
        gate = stages.broken().after(waits)
        made = work().after(gate)
        stages.echo(text="trained").after(made)

    return pipeline


def test_work_runs_beside_the_task_that_it_only_waits_for_and_ends_after_it(
    go: Go, stages: ModuleType, tmp_path: Path
) -> None:
    @dsl.pipeline(name="beside")
    def pipeline() -> None:
        data = stages.echo(text="work")
        gate = stages.meet(folder=str(tmp_path), me="gate", other="work")
        work = stages.meet(folder=str(tmp_path), me=data.output, other="gate").after(gate)
        stages.read(data=stages.write(text="x").after(work).outputs["data"])

    seen = Seen()
    run = go(pipeline, ahead={"meet"}, max_workers=2, on_event=seen)
    assert run.state is State.SUCCEEDED, run.error
    ended = [path for path, state in seen.changes if state is State.SUCCEEDED]
    assert ended == ["echo", "meet", "meet-2", "write", "read"]


def test_what_ran_ahead_of_a_task_that_failed_ends_as_if_it_had_not_started(
    go: Go, stages: ModuleType, tmp_path: Path
) -> None:
    def work() -> Any:
        return stages.meet(folder=str(tmp_path), me="work", other="gate")

    seen, pipeline = Seen(), refused(stages, tmp_path, work, "work")
    run = go(pipeline, ahead={"meet"}, max_workers=2, on_event=seen)
    assert states(run) == {
        "meet": State.SUCCEEDED,
        "broken": State.FAILED,
        "meet-2": State.UPSTREAM_FAILED,
        "echo": State.UPSTREAM_FAILED,
    }
    assert [task.name for task in run.tasks if task.error] == ["broken"]
    assert seen.of("meet-2") == [State.RUNNING, State.UPSTREAM_FAILED]
    assert run.task("meet-2").outputs.parameters == {}


def test_what_still_runs_when_the_task_fails_is_ended_with_all_that_it_started(
    go: Go, stages: ModuleType, tmp_path: Path
) -> None:
    def work() -> Any:
        return stages.linger(folder=str(tmp_path))

    run = go(refused(stages, tmp_path, work, "grandchild"), ahead={"linger"}, max_workers=2, grace=0.2)
    assert states(run)["linger"] is State.UPSTREAM_FAILED
    assert [task.name for task in run.tasks if task.error] == ["broken"]
    assert gone(int((tmp_path / "task").read_text()))
    assert gone(int((tmp_path / "grandchild").read_text()))


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_failure_ahead_is_told_only_where_the_task_before_it_succeeds(
    go: Go, stages: ModuleType, tmp_path: Path, is_refused: bool
) -> None:
    @dsl.pipeline(name="failure")
    def pipeline() -> None:
        waits = stages.meet(folder=str(tmp_path), me="gate", other="counter")
        gate = (stages.broken() if is_refused else stages.echo(text="open")).after(waits)
        stages.flaky(counter=str(tmp_path / "counter"), failures=9).after(gate)

    seen = Seen()
    run = go(pipeline, ahead={"flaky"}, max_workers=2, on_event=seen)
    assert run.state is State.FAILED
    assert [task.name for task in run.tasks if task.state is State.FAILED] == ["broken" if is_refused else "flaky"]
    end = State.UPSTREAM_FAILED if is_refused else State.FAILED
    assert seen.of("flaky") == [State.RUNNING, end]
    assert ("try 0" in run.task("flaky").error) != is_refused
    assert seen.changes[-1] == ("flaky", end)


@pytest.mark.parametrize(("ahead", "workers"), [((), 2), ({"write"}, 1), ({"read"}, 2)])
def test_nothing_is_ahead_of_another_task_unless_it_is_said_and_there_is_room(
    go: Go, stages: ModuleType, tmp_path: Path, ahead: Any, workers: int
) -> None:
    log = str(tmp_path / "log")

    @dsl.pipeline(name="in-order")
    def pipeline() -> None:
        first = stages.write(text="first", log=log)
        second = stages.write(text="second", log=log).after(first)
        stages.read(data=second.outputs["data"], log=log).after(first)

    assert go(pipeline, ahead=ahead, max_workers=workers).state is State.SUCCEEDED
    assert (tmp_path / "log").read_text().splitlines() == ["write first", "write second", "read"]


def test_a_result_that_was_refused_is_used_when_the_task_before_it_succeeds_at_last(
    go: Go, stages: ModuleType, tmp_path: Path, environments: dict[str, Environment], hosts: localrun.Hosts
) -> None:
    counter, log = tmp_path / "counter", tmp_path / "log"

    @dsl.pipeline(name="resumed")
    def pipeline() -> None:
        gate = stages.flaky(counter=str(counter), failures=1).after(
            stages.meet(folder=str(tmp_path), me="gate", other="log")
        )
        work = stages.write(text="work", log=str(log)).after(gate)
        stages.read(data=work.outputs["data"])

    run = go(pipeline, ahead={"write"}, max_workers=2)
    assert states(run) == {
        "meet": State.SUCCEEDED,
        "flaky": State.FAILED,
        "write": State.UPSTREAM_FAILED,
        "read": State.UPSTREAM_FAILED,
    }
    options = Options(hosts=hosts, ahead={"write"}, max_workers=2)
    again = localrun.resume(run.run_id, store=tmp_path / "store", environments=environments, options=options)
    assert again.state is State.SUCCEEDED
    assert log.read_text().splitlines() in (["write work"], ["write work"] * 2)  # it may have been stopped at its end
    assert again.task("read").outputs.parameters == {"Output": "work"}


def test_cancelling_ends_what_is_ahead_too(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="cancelled")
    def pipeline() -> None:
        gate = stages.linger(folder=str(tmp_path))
        stages.echo(text="ahead").after(gate)

    run = go(pipeline, ahead={"echo"}, max_workers=2, run_timeout=3.0, grace=0.2)
    assert run.state is State.CANCELLED
    assert State.SUCCEEDED not in states(run).values()
    assert gone(int((tmp_path / "task").read_text()))
