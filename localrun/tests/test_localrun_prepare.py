"""While a task runs, the code of the one that may come next prepares in its process, with what is known of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl
from localrun_project import appears, gone, make_project

import localrun
from localrun import Environment, Hosts, Lasting, Options, Run, State
from localrun.hosts.lasting import stop

Compiled = Callable[[Any], Path]
Go = Callable[..., Run]
_CODE = """
import atexit, json, os, signal, sys, time
from pathlib import Path

folder = Path({folder!r})


def prepare(parameters, artifacts):
    print("words of prepare")
    parts = {{name: (Path(path) / "part").read_text() for name, path in artifacts.items()}}
    with (folder / "told").open("a") as told:
        told.write(json.dumps([parameters, parts]) + "\\n")
    (folder / "pid").write_text(str(os.getpid()))
    try:
        then()
    finally:
        (folder / "prepared").touch()


def then():
    {then}
"""
_FORKS = """child = os.fork()
    if child == 0:
        time.sleep(300)
    (folder / "child").write_text(str(child))  # by the parent, since the child may be gone before it does anything"""


@dataclass
class Prepared:
    """Where the code of a task prepares, and what it writes down about it."""

    folder: Path
    project: Path

    def environments(self, function: str, then: str = "pass") -> dict[str, Environment]:
        """Return an environment in which a function's code prepares; `then` is what it does at the end of that."""
        module = f"of_{function}_{self.folder.name}"
        (self.project / f"{module}.py").write_text(_CODE.format(folder=str(self.folder), then=then))
        sources = {"*": (self.project / "stages.py",)}
        return {"test/data": Environment(cwd=self.project, imports={function: module}, sources=sources)}

    def meet(self, stages: ModuleType) -> Any:
        """Return a task that runs until something has been prepared."""
        return stages.meet(folder=str(self.folder), me="task", other="prepared").set_caching_options(False)

    @property
    def told(self) -> list[Any]:
        """Parameters, and contents of artifacts, of each preparation."""
        return [json.loads(line) for line in (self.folder / "told").read_text().splitlines()]

    def pid(self, of: str = "pid") -> int:
        """Return the process that prepared, or its child."""
        return int(appears(self.folder / of))


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("prepares"))


@pytest.fixture
def prepared(tmp_path_factory: pytest.TempPathFactory, shared_project: Path) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("told"), shared_project)


@pytest.fixture(params=["own", "lasting"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, hosts: Hosts) -> Iterator[Hosts]:
    """Processes that end with the session, or that may outlive it."""
    if request.param == "own":
        yield hosts
        return
    with Hosts(Lasting(tmp_path / "warm", least_free=0)) as lasting:
        yield lasting
    stop(tmp_path / "warm")


def _log(run: Run, task: str) -> str:
    log = run.task(task).log
    assert log is not None
    return log.read_text()


def test_the_process_that_prepared_with_the_variables_of_the_task_runs_it(
    stages: ModuleType, prepared: Prepared, kept: Hosts, tmp_path: Path, compiled: Compiled
) -> None:
    @dsl.pipeline(name="same-process")
    def pipeline() -> None:
        with dsl.If(prepared.meet(stages).output == "task"):
            stages.variable(name="KEPT").set_env_variable("GIVEN", "to the task")

    there = prepared.environments("variable", "os.environ['KEPT'] = os.environ['GIVEN'] + ', kept'")
    run = localrun.run(
        compiled(pipeline), {}, store=tmp_path / "store", environments=there, options=Options(hosts=kept)
    )
    assert run.state is State.SUCCEEDED, run.error
    assert run.task("condition-1/variable").outputs.parameters == {"Output": "to the task, kept"}
    assert _log(run, "condition-1/variable").count("words of prepare") == 1


def test_the_values_that_are_known_are_told(stages: ModuleType, prepared: Prepared, go: Go) -> None:
    @dsl.pipeline(name="values")
    def pipeline(names: list) -> None:
        ended = stages.pair(n=1)
        running = prepared.meet(stages).after(ended)
        stages.describe(
            a=ended.outputs["large"], flag=True, names=names, settings={"written": "here"}, note=running.output
        )

    run = go(pipeline, {"names": ["of the run"]}, environments=prepared.environments("describe"))
    assert run.state is State.SUCCEEDED, run.error
    known = {"a": 10.5, "flag": True, "names": ["of the run"], "settings": {"written": "here"}}
    assert prepared.told == [[known, {}]]


def test_the_artifacts_that_are_there_are_told_also_those_of_an_earlier_run(
    stages: ModuleType, prepared: Prepared, go: Go
) -> None:
    @dsl.pipeline(name="artifacts")
    def pipeline() -> None:
        written = stages.write(text="content")
        running = prepared.meet(stages).after(written)
        with dsl.If(running.output == "task"):
            stages.read(data=written.outputs["data"], log=running.output).set_caching_options(False)

    there = prepared.environments("read")
    for expected in (1, 2):
        (prepared.folder / "prepared").unlink(missing_ok=True)
        run = go(pipeline, environments=there)
        assert run.state is State.SUCCEEDED, run.error
        assert run.task("write").cached is (expected == 2)
        assert prepared.told == [[{}, {"data": "content"}]] * expected


@pytest.mark.parametrize("stops", ["raise ValueError('not today')", "sys.exit('not today')"])
def test_a_task_goes_on_where_preparing_fails(stages: ModuleType, prepared: Prepared, go: Go, stops: str) -> None:
    @dsl.pipeline(name="fails")
    def pipeline() -> None:
        stages.echo(text="later").after(prepared.meet(stages)).set_caching_options(False)

    run = go(pipeline, environments=prepared.environments("echo", stops))
    assert run.state is State.SUCCEEDED, run.error
    lines = [line for line in _log(run, "echo").splitlines() if "not today" in line]
    assert len(lines) == 1
    assert "could not prepare for the task, which does everything itself: " in lines[0]


def test_a_task_goes_on_where_the_process_that_prepares_dies(stages: ModuleType, prepared: Prepared, go: Go) -> None:
    @dsl.pipeline(name="dies")
    def pipeline() -> None:
        stages.echo(text="later").after(prepared.meet(stages)).set_caching_options(False)

    dies = "(folder / 'prepared').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    run = go(pipeline, environments=prepared.environments("echo", dies))
    assert run.state is State.SUCCEEDED, run.error
    assert "could not prepare for the task: its process ended, and another does everything" in _log(run, "echo")


def test_a_task_does_not_have_the_variables_of_another_that_was_prepared_for(
    stages: ModuleType, prepared: Prepared, go: Go
) -> None:
    @dsl.pipeline(name="another")
    def pipeline() -> None:
        first = prepared.meet(stages)
        with dsl.If(first.output == "nothing"):
            stages.variable(name="GIVEN").set_env_variable("GIVEN", "to the other task")
        stages.variable(name="GIVEN").after(stages.echo(text="between").after(first))

    run = go(pipeline, environments=prepared.environments("variable", _FORKS))
    assert run.state is State.SUCCEEDED, run.error
    assert len(prepared.told) == 1
    assert run.task("variable-2").outputs.parameters == {"Output": ""}
    assert gone(prepared.pid("child"), 20)


@pytest.mark.parametrize("comes", [True, False])
def test_a_child_of_preparing_does_not_hold_the_task_up_and_ends_with_it(
    stages: ModuleType, prepared: Prepared, go: Go, comes: bool
) -> None:
    @dsl.pipeline(name="forks")
    def pipeline() -> None:
        with dsl.If(prepared.meet(stages).output == ("task" if comes else "nothing")):
            stages.echo(text="later")

    with Hosts() as hosts:
        run = go(pipeline, environments=prepared.environments("echo", _FORKS), hosts=hosts, run_timeout=60.0)
        assert run.state is State.SUCCEEDED, run.error
        assert not comes or gone(prepared.pid("child"), 20), "a task leaves nothing behind"
    assert gone(prepared.pid("child"), 20)


def test_a_process_whose_task_does_not_come_ends_with_the_run_as_python_does(
    stages: ModuleType, prepared: Prepared, go: Go
) -> None:
    @dsl.pipeline(name="in-vain")
    def pipeline() -> None:
        with dsl.If(prepared.meet(stages).output == "nothing"):
            stages.echo(text="never")

    leaves = "atexit.register((folder / 'at-exit').write_text, 'reached')"
    with Hosts() as hosts:
        run = go(pipeline, environments=prepared.environments("echo", leaves), hosts=hosts)
        assert run.state is State.SUCCEEDED, run.error
    assert gone(prepared.pid())
    assert (prepared.folder / "at-exit").read_text() == "reached"


def test_what_is_too_long_to_be_told_is_left_to_the_task(stages: ModuleType, prepared: Prepared, go: Go) -> None:
    @dsl.pipeline(name="long")
    def pipeline(text: str) -> None:
        stages.echo(text=text).after(prepared.meet(stages))

    there = prepared.environments("echo")
    with (prepared.project / f"{there['test/data'].imports['echo']}.py").open("a") as code:
        code.write("\nprint('words of the import')\n(folder / 'prepared').touch()\n")
    text = "long" * 17_500
    run = go(pipeline, {"text": text}, environments=there)
    assert run.task("echo").outputs.parameters == {"Output": text}
    assert _log(run, "echo").count("words of the import") == 1
    assert not (prepared.folder / "told").exists()
