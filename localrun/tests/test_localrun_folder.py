"""The folder in which localrun is started: what counts of it as code, and what is never a reason to fail a task."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from localrun_project import make_project

from localrun import Environment, Run, State
from localrun.environments.code import CodeFinder, sees_folder
from localrun.errors import UnknownCode
from localrun.events import Noted
from localrun.spec.pipeline import Container
from localrun.store.digests import Digests

Go = Callable[..., Run]


@dsl.component(base_image="python")
def works_here(name: str) -> str:
    import os

    os.symlink("../somewhere/else", "latest")
    with open("scratch", "w") as stream:
        stream.write(name)
    return f"{name} {sorted(os.listdir())}"


@dsl.component(base_image="python")
def imports_helper() -> str:
    import helper

    return helper.VALUE


@dsl.component(base_image="python")
def reads(file: str) -> str:
    return open(file).read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "folder"
    place.mkdir()
    return place


@pytest.fixture
def start(go: Go, folder: Path, tmp_path: Path) -> Callable[..., tuple[Run, list[str]]]:
    """Run a pipeline as in a folder of which nobody said anything; return also what was noted."""

    def started(pipeline: Any, parameters: dict[str, Any] | None = None, **changes: Any) -> tuple[Run, list[str]]:
        notes: list[str] = []
        environment = replace(Environment(cwd=folder, holds_folder=False), **changes)
        run = go(
            pipeline,
            parameters,
            environments=dict.fromkeys(("python", "alpine", "test/data"), environment),
            on_event=lambda event: notes.append(event.text) if isinstance(event, Noted) else None,
        )
        return run, notes

    return started


Start = Callable[..., tuple[Run, list[str]]]


def test_nothing_that_lies_in_the_folder_matters_to_a_lightweight_task(
    start: Start, folder: Path, compiled: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dsl.pipeline(name="here")
    def pipeline() -> None:
        works_here(name="x")

    path = compiled(pipeline)
    (folder / "out").symlink_to("/etc")
    os.mkfifo(folder / "fifo")
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    (folder / "json.py").write_text("raise ImportError('not the one that kfp means')")
    for name in ("venv/pyvenv.cfg", "venv/lib/x.py", "data/large"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    first, _ = start(path)
    assert first.task("works-here").outputs.parameters == {"Output": "x ['latest', 'scratch']"}
    (folder / "run.log").write_text("a line more")
    second, notes = start(path)
    assert (second.task("works-here").cached, notes) == (True, [])
    assert not (folder / "scratch").exists()


def test_a_task_that_asked_for_a_file_of_the_folder_is_told_how_to_get_it(
    start: Start, folder: Path, compiled: Callable[[Any], Path]
) -> None:
    @dsl.pipeline(name="helped")
    def pipeline() -> None:
        imports_helper()
        reads(file="table.csv")

    path = compiled(pipeline)
    (folder / "helper.py").write_text("VALUE = 'a'")
    (folder / "table.csv").write_text("1,2")
    alone, _ = start(path)
    for task, name in (("imports-helper", "helper.py"), ("reads", "table.csv")):
        assert f"{name} is in {folder}, which is no part of the image" in alone.task(task).error
        assert "--image python=" in alone.task(task).error
    asked, _ = start(path, holds_folder=True)
    assert [task.outputs.parameters["Output"] for task in asked.tasks] == ["a", "1,2"]
    (folder / "helper.py").write_text("VALUE = 'b'")
    (folder / "other.py").write_text("nobody imports this")
    changed, _ = start(path, holds_folder=True)
    assert (changed.task("imports-helper").cached, changed.task("reads").cached) == (False, True)


def test_a_success_is_one_although_its_code_changed_meanwhile(
    start: Start, folder: Path, compiled: Callable[[Any], Path]
) -> None:
    @dsl.container_component
    def script() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="alpine", command=["sh", "work.sh"])

    @dsl.pipeline(name="scripts")
    def pipeline() -> None:
        script()

    path = compiled(pipeline)
    (folder / "work.sh").write_text("cat note.txt; date >> note.txt; ln -sf ../nowhere latest")
    (folder / "note.txt").write_text("")
    for _ in range(2):
        run, notes = start(path)
        assert run.state is State.SUCCEEDED
        assert notes == ["script: not cached, because note.txt changed while it ran"]
        assert run.task("script").not_cached == "note.txt changed while it ran"
    (folder / "work.sh").write_text("cat note.txt")
    start(path)
    again, notes = start(path)
    assert (again.task("script").cached, notes) == (True, [])


def test_code_that_cannot_be_read_is_no_reason_to_fail(
    start: Start, folder: Path, compiled: Callable[[Any], Path]
) -> None:
    @dsl.component(target_image="test/data")
    def add(a: int) -> int:
        return a

    @dsl.pipeline(name="odd")
    def pipeline() -> None:
        add(a=1)

    make_project(folder)
    (folder / "stages.py").write_text(
        (folder / "stages.py").read_text() + "\n\ndef later(name):\n    __import__('importlib').import_module(name)\n"
    )
    path = compiled(pipeline)
    for _ in range(2):
        run, notes = start(path)
        assert (run.state, run.task("add").cached) == (State.SUCCEEDED, False)
        assert len(notes) == 1
        assert notes[0].startswith("add: not cached, because line ")
        assert notes[0].endswith("computes the name of what it imports; --code names what counts")
    start(path, sources={"*": (folder / "stages.py",)})
    named, _ = start(path, sources={"*": (folder / "stages.py",)})
    assert named.task("add").cached


def finds(folder: Path, *command: str, **parameters: str) -> list[str]:
    container = Container("alpine", command, (), {})
    return sorted(CodeFinder(Digests()).find(container, parameters, Environment(cwd=folder)))


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["python3", "train.py", "--epochs", "3"], ["pkg/__init__.py", "pkg/deep.py", "pkg/query.sql", "train.py"]),
        (["python3", "-m", "pkg"], ["pkg/__init__.py", "pkg/__main__.py", "pkg/deep.py", "pkg/query.sql"]),
        (["python3", "-c", "import pkg.deep"], ["pkg/__init__.py", "pkg/deep.py", "pkg/query.sql"]),
        (
            ["sh", "-c", "exec ./run.sh > log"],
            ["pkg/__init__.py", "pkg/deep.py", "pkg/query.sql", "run.sh", "train.py"],
        ),
        (["cat", "settings.yaml", "../beside"], ["settings.yaml"]),
        (["sh", "-c", "cat *.yaml | wc"], ["settings.yaml"]),
        (["grep", "-r", "x", "pkg"], ["pkg/__init__.py", "pkg/__main__.py", "pkg/deep.py", "pkg/query.sql"]),
        (["sh", "-c", "echo train > out; date"], []),
        (["python3", "named.py"], ["named.py", "settings.yaml"]),
    ],
)
def test_the_code_of_a_command_is_what_it_names_and_what_that_can_import(
    folder: Path, command: list[str], found: list[str]
) -> None:
    files = {
        "train.py": "import os, json\nfrom pkg import deep\n",
        "run.sh": "#!/bin/sh\npython3 train.py 'a b'\n",
        "named.py": "open('settings.yaml')",
        "settings.yaml": "a: 1",
        "unrelated.py": "import train",
        "pkg/__init__.py": "",
        "pkg/__main__.py": "print(1)",
        "pkg/deep.py": "from . import query",
        "pkg/query.sql": "select 1",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    assert finds(folder, *command) == found
    container = Container("alpine", tuple(command), (), {})
    assert sees_folder(container, {}, Environment(cwd=folder, holds_folder=False)) == bool(found)


def test_a_parameter_that_names_a_file_counts_with_its_content(folder: Path) -> None:
    (folder / "table.csv").write_text("1")
    assert finds(folder, "cat", "{{$.inputs.parameters['file']}}", file="table.csv") == ["table.csv"]


def test_what_is_installed_from_a_folder_counts_with_its_content(tmp_path: Path, folder: Path) -> None:
    """A distribution's version says nothing about one that is edited where it lies."""
    site = tmp_path / "env/lib/python3.11/site-packages"
    for place in (site, tmp_path / "env/bin", tmp_path / "mine/src/mine"):
        place.mkdir(parents=True)
    (tmp_path / "env/bin/python").touch()
    (tmp_path / "mine/src/mine/__init__.py").write_text("a = 1")
    (site / "mine-1.0.dist-info").mkdir()
    (site / "mine-1.0.dist-info/direct_url.json").write_text(
        f'{{"dir_info": {{"editable": true}}, "url": "file://{tmp_path}/mine"}}'
    )
    container = Container(
        "python", ("sh", "-c", "ephemeral_component.py -m kfp.dsl.executor_main", "import mine"), (), {}
    )
    environment = Environment(cwd=folder, python=tmp_path / "env/bin/python", holds_folder=False)
    assert list(CodeFinder(Digests()).find(container, {}, environment)) == ["../mine/src/mine/__init__.py"]


def test_a_large_folder_that_a_command_names_is_not_read(folder: Path) -> None:
    (folder / "data").mkdir()
    with (folder / "data/large").open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(UnknownCode, match=r"data holds more than 256 MB \(at large\); --code names what counts"):
        finds(folder, "ls", "data")
