"""Every reader sees an artifact as it was made, whatever the readers before it did with it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from localrun import Run, State
from localrun.execution import views

Go = Callable[..., Run]


@dsl.component(base_image="python")
def make(data: dsl.Output[dsl.Dataset]) -> None:
    import os

    os.mkdir(data.path)
    for name in ("a", "b", "c", "d", "e", "f"):
        with open(f"{data.path}/{name}", "w") as stream:
            stream.write(name)


@dsl.component(base_image="python")
def change(data: dsl.Input[dsl.Dataset], moved: dsl.Output[dsl.Dataset]) -> str:
    import os
    import shutil
    import subprocess

    with open(f"{data.path}/a", "a") as stream:
        stream.write("more")
    os.remove(f"{data.path}/b")
    os.chmod(f"{data.path}/c", 0o755)
    subprocess.run(["sh", "-c", f"echo more >> {data.path}/d"], check=True)
    os.truncate(f"{data.path}/e", 0)
    with open(f"{data.path}/new", "w") as stream:
        stream.write("new")
    seen = open(f"{data.path}/a").read()
    shutil.move(data.path, moved.path)
    return seen


@dsl.component(base_image="python")
def read(data: dsl.Input[dsl.Dataset], after: str = "") -> str:
    import os

    return ",".join(f"{name}={open(f'{data.path}/{name}').read()}" for name in sorted(os.listdir(data.path)))


@dsl.container_component
def append(data: dsl.Input[dsl.Dataset], seen: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
    script = 'echo more >> "$0/a"; rm "$0/b"; cat "$0/a" > "$1"'
    return dsl.ContainerSpec(image="alpine", command=["sh", "-c", script], args=[data.path, seen])


@dsl.component(base_image="python")
def scribble(data: dsl.Input[dsl.Dataset]) -> None:
    """Write past Python, as a library of native code does."""
    import ctypes

    libc = ctypes.CDLL(None)
    handle = libc.open(f"{data.path}/a".encode(), 1)
    libc.write(handle, b"X", 1)
    libc.close(handle)


AS_MADE = "a=a,b=b,c=c,d=d,e=e,f=f"


def test_a_task_changes_only_what_it_sees_itself(go: Go) -> None:
    @dsl.pipeline(name="changes")
    def pipeline() -> None:
        made = make()
        changed = change(data=made.outputs["data"])
        read(data=made.outputs["data"], after=changed.outputs["Output"])
        read(data=changed.outputs["moved"])

    run = go(pipeline, cache=False)
    assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
    assert run.task("change").outputs.parameters["Output"] == "amore"
    assert run.task("read").outputs.parameters["Output"] == AS_MADE
    assert run.task("read-2").outputs.parameters["Output"] == "a=amore,c=c,d=dmore\n,e=,f=f,new=new"
    assert not list(run.folder.glob("tasks/*/attempt-1/inputs"))
    assert {os.stat(path).st_nlink for path in run.task("make").outputs.artifacts["data"].path.iterdir()} == {1}


@pytest.mark.parametrize("limit", [views._COPIED, 0])
def test_a_program_changes_a_copy_or_fails_by_name(go: Go, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_COPIED", limit)

    @dsl.pipeline(name="appends")
    def pipeline() -> None:
        made = make()
        appended = append(data=made.outputs["data"])
        read(data=made.outputs["data"]).after(appended)

    run = go(pipeline, cache=False)
    if limit:
        assert run.task("append").outputs.parameters["seen"] == "amore\n"
        assert run.task("read").outputs.parameters["Output"] == AS_MADE
    else:
        assert run.task("append").state is State.FAILED
        assert "an input artifact changed while the task ran" in run.task("append").error


def test_a_change_that_nothing_kept_apart_fails_the_task_that_made_it(go: Go) -> None:
    @dsl.pipeline(name="scribbles")
    def pipeline() -> None:
        made = make()
        scribble(data=made.outputs["data"])

    run = go(pipeline, cache=False)
    assert run.task("scribble").state is State.FAILED
    assert (
        "an input artifact changed while the task ran; a task must write to its outputs" in run.task("scribble").error
    )
    assert "the artifact 'data' is sha256:" in run.task("scribble").error


def test_an_input_that_is_handed_on_is_the_artifact_itself(go: Go, compiled: Callable[[Any], Path]) -> None:
    @dsl.component(base_image="python")
    def hand_on(data: dsl.Input[dsl.Dataset], same: dsl.Output[dsl.Dataset]) -> None:
        same.uri = data.uri

    @dsl.pipeline(name="hands")
    def pipeline() -> None:
        read(data=hand_on(data=make().outputs["data"]).outputs["same"])

    path = compiled(pipeline)
    run = go(path)
    assert run.task("read").outputs.parameters["Output"] == AS_MADE
    assert run.task("hand-on").outputs.artifacts["same"].uri == run.task("make").outputs.artifacts["data"].uri
    assert all(task.cached for task in go(path).tasks)


def test_many_readers_of_one_artifact_do_not_hash_it_again_and_again(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link changes the time of an inode, which is no change of its content; readers that start together hash once."""
    from localrun.store import digests

    @dsl.pipeline(name="many")
    def pipeline() -> None:
        made = make()
        for _ in range(4):
            read(data=made.outputs["data"]).set_caching_options(False)

    hashed: list[Path] = []
    original = digests._hash
    monkeypatch.setattr(digests, "_hash", lambda root, names: hashed.append(root) or original(root, names))
    monkeypatch.setattr(digests, "_RACY_NS", 0)
    run = go(pipeline, max_workers=1)
    assert run.state is State.SUCCEEDED
    assert len([root for root in hashed if root.name == "data"]) == 2  # where it was written, and where it lies
