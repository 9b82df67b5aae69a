"""What is imported before a task: amid its warm process' imports it starts when what it needs is there, all others at
the end; its own code is imported while the task before it runs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl
from localrun_project import gone, make_project

import localrun
from localrun import Environment, Hosts, Lasting, Options, Run, State
from localrun.events import Event, HostReady, TaskChanged
from localrun.hosts.lasting import processes, stop

Compiled = Callable[[Any], Path]
_SLOW = """
import contextlib, importlib, time
from pathlib import Path

folder = Path({folder!r})
deadline = time.monotonic() + 120
while not (folder / "task").exists():
    assert time.monotonic() < deadline, "no task has started"
    time.sleep(0.005)
    with contextlib.suppress(ImportError):
        importlib.import_module("no_such_module")
{then}
"""
"""An import that ends when a task has started: it imports on and on meanwhile, as large libraries do."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a task and the import wait for each other."""
    made = tmp_path / "meeting"
    made.mkdir()
    return made


@pytest.fixture
def early(tmp_path: Path, folder: Path) -> Environment:
    """An environment whose second module is imported when the task `meet` has started, which needs the first."""
    project = make_project(tmp_path / "project")
    (project / "quick.py").write_text("")
    (project / "slow.py").write_text(_SLOW.format(folder=str(folder), then="(folder / 'import').touch()"))
    sources = {"*": (project / "stages.py",)}
    return Environment(cwd=project, preload=("quick", "slow"), early={"meet": "quick"}, sources=sources)


Early = Callable[[Any, list[Event]], Run]


@pytest.fixture(params=["own", "lasting"])
def go_early(request: pytest.FixtureRequest, tmp_path: Path, early: Environment, compiled: Compiled) -> Iterator[Early]:
    """Run a pipeline in processes of this test alone, which end with it or outlive the run."""
    lasting = Lasting(tmp_path / "warm", least_free=0) if request.param == "lasting" else None
    with Hosts(lasting) as hosts:

        def run(pipeline: Any, events: list[Event]) -> Run:
            options = Options(hosts=hosts, on_event=events.append, max_workers=3)
            environments = {"test/data": early}
            return localrun.run(
                compiled(pipeline), {}, store=tmp_path / "store", environments=environments, options=options
            )

        yield run
    living = processes(tmp_path / "warm")
    stop(tmp_path / "warm")
    assert all(gone(one.pid) for one in living)


def _states(events: list[Event], task: str) -> list[int]:
    """Return where in the events a task began to run."""
    return [
        place
        for place, event in enumerate(events)
        if isinstance(event, TaskChanged) and event.task.path == task and event.task.state is State.RUNNING
    ]


def test_a_task_runs_beside_the_imports_that_it_does_not_need(
    stages: ModuleType, folder: Path, go_early: Early
) -> None:
    @dsl.pipeline(name="beside")
    def pipeline() -> None:
        stages.meet(folder=str(folder), me="task", other="import")
        stages.meet(folder=str(folder), me="again", other="import").set_caching_options(False)
        stages.echo(text="later")

    events: list[Event] = []
    run = go_early(pipeline, events)
    assert run.state is State.SUCCEEDED, run.error
    (ready,) = [place for place, event in enumerate(events) if isinstance(event, HostReady)]
    begun = sorted(_states(events, "meet") + _states(events, "meet-2"))
    assert begun[0] < ready < begun[1], "one early task is started, the next of that function waits"
    assert ready < _states(events, "echo")[0]


def test_an_import_that_fails_ends_the_task_beside_it(
    stages: ModuleType, folder: Path, early: Environment, go_early: Early
) -> None:
    @dsl.pipeline(name="broken")
    def pipeline() -> None:
        stages.meet(folder=str(folder), me="task", other="never")

    (early.cwd / "slow.py").write_text(_SLOW.format(folder=str(folder), then="raise ImportError('half of it')"))
    (task,) = go_early(pipeline, []).tasks
    assert task.state is State.FAILED
    assert "importing slow failed" in task.error
    assert "half of it" in task.error


def test_a_function_that_waits_for_a_module_of_no_preload_waits_for_all(
    stages: ModuleType, compiled: Compiled, tmp_path: Path
) -> None:
    @dsl.pipeline(name="unknown")
    def pipeline() -> None:
        stages.echo(text="a")

    project = make_project(tmp_path / "project")
    environment = Environment(cwd=project, preload=("json",), early={"echo": "no_such_module"})
    run = localrun.run(compiled(pipeline), {}, store=tmp_path / "store", environments={"test/data": environment})
    assert run.state is State.SUCCEEDED


_CODE = """
import os
from pathlib import Path

print("words of the import")
(Path({folder!r}) / "pid").write_text(str(os.getpid()))
(Path({folder!r}) / "imported").touch()
"""


@pytest.fixture
def ahead(tmp_path: Path, folder: Path) -> Environment:
    """An environment whose task `echo` has code of its own, which says when it is imported."""
    project = make_project(tmp_path / "project")
    (project / "of_echo.py").write_text(_CODE.format(folder=str(folder)))
    return Environment(cwd=project, imports={"echo": "of_echo"}, sources={"*": (project / "stages.py",)})


def test_the_code_of_the_next_task_is_imported_in_its_process_while_a_task_runs(
    stages: ModuleType, folder: Path, ahead: Environment, go: Callable[..., Run]
) -> None:
    @dsl.pipeline(name="ahead")
    def pipeline() -> None:
        first = stages.meet(folder=str(folder), me="task", other="imported")
        with dsl.If(first.output == "task"):
            stages.echo(text="later")

    run = go(pipeline, environments={"test/data": ahead})
    assert run.state is State.SUCCEEDED, run.error
    log = run.task("condition-1/echo").log
    assert log is not None
    assert log.read_text().count("words of the import") == 1, "the process that imported it took the task"


def test_code_that_cannot_be_imported_ahead_is_left_to_the_task(
    stages: ModuleType, folder: Path, ahead: Environment, go: Callable[..., Run]
) -> None:
    @dsl.pipeline(name="fails")
    def pipeline() -> None:
        stages.echo(text="later").after(stages.meet(folder=str(folder), me="task", other="imported"))

    with (ahead.cwd / "of_echo.py").open("a") as code:
        code.write("raise SystemExit('half of it')")
    run = go(pipeline, environments={"test/data": ahead})
    assert run.state is State.SUCCEEDED, run.error


def test_a_process_that_waited_for_a_task_in_vain_ends_with_the_run(
    stages: ModuleType, tmp_path: Path, folder: Path, ahead: Environment, compiled: Compiled
) -> None:
    @dsl.pipeline(name="in-vain")
    def pipeline() -> None:
        first = stages.meet(folder=str(folder), me="task", other="imported")
        with dsl.If(first.output == "nothing"):
            stages.echo(text="never")

    lasting = Lasting(tmp_path / "warm", least_free=0)
    environments = {"test/data": replace(ahead, preload=("json",))}
    with Hosts(lasting) as hosts:
        options = Options(hosts=hosts)
        run = localrun.run(compiled(pipeline), {}, store=tmp_path / "store", environments=environments, options=options)
        assert run.state is State.SUCCEEDED, run.error
    try:
        assert processes(tmp_path / "warm"), "the warm process stays"
        assert gone(int((folder / "pid").read_text()))
    finally:
        stop(tmp_path / "warm")
