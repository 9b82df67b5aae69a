"""Around groups of tasks: cancelling with exit tasks, resuming loops, records of iterations, packages, images."""

import glob
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl
from localrun_project import appears

import localrun
from localrun import Environment, Hosts, Options, Run, State, UnsupportedPipeline
from localrun.environments import docker
from localrun.environments.docker import DockerEnvironment, Program
from localrun.events import TaskChanged
from localrun.execution import scheduler

Go = Callable[..., Run]
StopAt = Callable[..., Callable[[Any], None]]


def states(run: Run) -> dict[str, State]:
    return {task.path: task.state for task in run.tasks}


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> StopAt:
    """Give an `on_event` that cancels the run when a task begins."""
    schedulers: list[Any] = []
    original = scheduler.Scheduler.run
    monkeypatch.setattr(scheduler.Scheduler, "run", lambda self: (schedulers.append(self), original(self))[1])

    def at(*names: str) -> Callable[[Any], None]:
        def on_event(event: Any) -> None:
            if isinstance(event, TaskChanged) and event.task.state is State.RUNNING and event.task.path in names:
                schedulers[-1].cancel(kill=event.task.path == names[-1] and len(names) > 1)

        return on_event

    return at


@pytest.fixture
def go_on(tmp_path: Path, hosts: Hosts, environments: dict[str, Environment]) -> Callable[[Run], Run]:
    """Resume a run, without looking at results of other runs."""
    return lambda run: localrun.resume(
        run.run_id, store=tmp_path / "store", environments=environments, options=Options(hosts=hosts, cache=False)
    )


@pytest.fixture
def handled(stages: ModuleType, tmp_path: Path) -> Any:
    @dsl.pipeline(name="handled")
    def pipeline() -> None:
        with dsl.ExitHandler(stages.echo(text="cleaned up")):
            first = stages.meet(folder=str(tmp_path), me="a", other="b")
            stages.echo(text=first.output)

    return pipeline


def test_an_exit_task_runs_once_although_the_run_is_cancelled(go: Go, handled: Any, stop_at: StopAt) -> None:
    run = go(handled, on_event=stop_at("exit-handler-1/meet"))
    assert run.state is State.CANCELLED
    assert states(run) == {
        "exit-handler-1/meet": State.CANCELLED,
        "exit-handler-1/echo-2": State.PENDING,
        "echo": State.SUCCEEDED,
    }
    assert run.task("echo").outputs.parameters == {"Output": "cleaned up"}


def test_a_resumed_run_runs_its_exit_task_again_when_what_it_follows_went_on(
    go: Go, handled: Any, tmp_path: Path, go_on: Callable[[Run], Run], stop_at: StopAt
) -> None:
    before = go(handled, on_event=stop_at("exit-handler-1/meet"))
    (tmp_path / "b").touch()
    after = go_on(before)
    assert set(states(after).values()) == {State.SUCCEEDED}
    assert after.task("echo").attempts == 2
    again = go_on(before)
    assert [task.attempts for task in again.tasks] == [
        task.attempts for task in after.tasks
    ]  # nothing ran, so nothing is cleaned up again


def test_a_second_cancel_ends_the_exit_task_too(go: Go, stages: ModuleType, tmp_path: Path, stop_at: StopAt) -> None:
    @dsl.pipeline(name="hanging-exit")
    def pipeline() -> None:
        with dsl.ExitHandler(stages.meet(folder=str(tmp_path), me="exit", other="nobody")):
            stages.meet(folder=str(tmp_path), me="a", other="b")

    run = go(pipeline, on_event=stop_at("exit-handler-1/meet-2", "meet"))
    assert (run.state, run.error) == (State.CANCELLED, "cancelled")
    assert set(states(run).values()) == {State.CANCELLED}


def test_an_exit_task_has_as_long_as_the_run(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="long-exit")
    def pipeline() -> None:
        with dsl.ExitHandler(stages.meet(folder=str(tmp_path), me="exit", other="nobody")):
            stages.meet(folder=str(tmp_path), me="a", other="b")

    run = go(pipeline, run_timeout=0.4, grace=0.2)
    assert (run.state, run.error) == (State.CANCELLED, "the run took longer than 0.4 s")


def test_a_cancelled_loop_begins_no_more_iterations(
    go: Go, stages: ModuleType, tmp_path: Path, stop_at: StopAt
) -> None:
    @dsl.pipeline(name="cancelled-loop")
    def pipeline() -> None:
        with dsl.ParallelFor(["a", "b", "c"], parallelism=1) as me:
            stages.meet(folder=str(tmp_path), me=me, other="nobody")

    run = go(pipeline, on_event=stop_at("for-loop-2[0]/meet"))
    assert run.state is State.CANCELLED
    assert states(run) == {
        "for-loop-2": State.CANCELLED,
        "for-loop-2[0]/meet": State.CANCELLED,
        "for-loop-2[1]/meet": State.PENDING,
        "for-loop-2[2]/meet": State.PENDING,
    }


def test_a_resumed_loop_runs_only_the_iterations_that_failed(
    go: Go, stages: ModuleType, tmp_path: Path, go_on: Callable[[Run], Run]
) -> None:
    @dsl.pipeline(name="resumed-loop")
    def pipeline() -> None:
        with dsl.ParallelFor([0, 1, 2]) as failures:
            stages.flaky(counter=f"{tmp_path}/n{failures}", failures=failures)

    before = go(pipeline)
    assert [before.task(f"for-loop-2[{n}]/flaky").state for n in range(3)] == [
        State.SUCCEEDED,
        State.FAILED,
        State.FAILED,
    ]
    for _ in range(2):
        after = go_on(before)
    assert set(states(after).values()) == {State.SUCCEEDED}
    assert [after.task(f"for-loop-2[{n}]/flaky").attempts for n in range(3)] == [1, 2, 3]
    assert localrun.show(tmp_path / "store", before.run_id) == after


def test_no_folder_of_an_iteration_is_a_pattern_of_file_names(go: Go, stages: ModuleType) -> None:
    """TensorFlow looks for a SavedModel's variables by pattern, and `for-loop-2[0]` matches no folder of that name."""

    @dsl.pipeline(name="folders")
    def pipeline() -> None:
        with dsl.ParallelFor([1, 2]) as item:
            stages.add(a=item)

    run = go(pipeline)
    folders = {path.parent.name for path in run.folder.glob("tasks/*/attempt-1")}
    assert folders == {"for-loop-2=0.add", "for-loop-2=1.add"}
    assert all(glob.escape(name) == name for name in folders)


def test_iterations_come_up_as_events_when_their_loop_begins(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="events")
    def pipeline() -> None:
        with dsl.ParallelFor([1, 2]) as item:
            stages.add(a=item)

    events: list[Any] = []
    go(pipeline, on_event=events.append)
    seen = [(event.task.path, str(event.task.state)) for event in events if isinstance(event, TaskChanged)]
    assert seen[:3] == [("for-loop-2", "PENDING"), ("for-loop-2", "RUNNING"), ("for-loop-2[0]/add", "PENDING")] or seen[
        0
    ] == ("for-loop-2", "RUNNING")
    assert ("for-loop-2[1]/add", "SUCCEEDED") in seen
    assert seen[-1] == ("for-loop-2", "SUCCEEDED")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ('[1, "x"]', "for-loop-1: item 1: wanted JSON, got 'x' (str)"),
        ("{}", "wanted a list of items in 'pipelinechannel--items', got dict"),
        ("[1", "the items: wanted JSON, got '[1' (str)"),
    ],
)
def test_items_that_are_none_fail_the_loop_by_name(
    go: Go, stages: ModuleType, compiled: Callable[[Any], Path], items: str, message: str
) -> None:
    @dsl.pipeline(name="items")
    def pipeline(items: list) -> None:
        with dsl.ParallelFor(items) as item:
            stages.add(a=item)

    path = compiled(pipeline)
    # A list that arrives as text, as it does from a field of an item.
    text = path.read_text().replace(
        "loop-item:\n          parameterType: STRING", "loop-item:\n          parameterType: NUMBER_INTEGER"
    )
    path.write_text(text.replace("LIST", "STRING"))
    run = go(path, {"items": items})
    assert run.state is State.FAILED
    assert message in run.task("for-loop-1").error


def test_packages_must_be_installed_already(tmp_path: Path, go: Go) -> None:
    def needing(*packages: str) -> Any:
        @dsl.component(base_image="python:3.11", packages_to_install=list(packages))
        def needy() -> str:
            return "ran"

        @dsl.pipeline(name="needing")
        def pipeline() -> str:
            return needy().output

        return pipeline

    assert go(needing("pytest>=8", "PyYAML", "nothing-of-the-kind; python_version < '3'")).outputs.parameters == {
        "Output": "ran"
    }
    for package, message in (
        ("nothing-of-the-kind", "nothing-of-the-kind is not installed"),
        ("pytest<2", "pytest 8"),
        ("git+https://example.com/a", "only names of packages with versions can be checked"),
        ("pytest @ https://example.com/pytest.whl", "pytest 8"),
    ):
        with pytest.raises(UnsupportedPipeline, match=r"packages_to_install=.* is not supported") as error:
            go(needing(package))
        assert message in str(error.value)


def test_an_authors_own_cache_key_keeps_results_apart(go: Go, stages: ModuleType) -> None:
    def keyed(key: str) -> Any:
        @dsl.pipeline(name="keyed")
        def pipeline() -> None:
            stages.echo(text="a").set_caching_options(True, cache_key=key)

        return pipeline

    assert [go(keyed(key)).task("echo").cached for key in ("one", "two", "one", "two")] == [False, False, True, True]


def test_without_an_environment_an_image_runs_in_a_container_where_there_is_an_engine(
    tmp_path: Path, go: Go, stages: ModuleType, environments: dict[str, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dsl.container_component
    def shell(message: str, out: dsl.Output[dsl.Artifact]) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(
            image="busybox:1.36", command=["sh", "-c", 'printf "%s" "$1" > "$0"'], args=[out.path, message]
        )

    @dsl.pipeline(name="contained")
    def pipeline() -> None:
        shell(message="hello").set_env_variable("LEVEL", "1")

    monkeypatch.setattr(docker, "has_engine", lambda: False)
    with pytest.raises(UnsupportedPipeline, match=r"no environment for the image 'busybox:1\.36'"):
        go(pipeline)

    folder = tmp_path / "bin"  # stands for the engine's command line: runs its last arguments, and records all of them
    folder.mkdir()
    (folder / "docker").write_text(f"""#!/bin/sh
printf '%s\\n' "$@" > {tmp_path}/said
while [ "$1" != busybox:1.36 ]; do shift; done
shift; exec sh "$@"
""")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(docker, "has_engine", lambda: True)
    monkeypatch.setattr(docker, "image_id", lambda image: "")
    with Hosts() as own:
        run = go(pipeline, hosts=own)
    assert run.state is State.SUCCEEDED, run.task("shell").error
    assert run.task("shell").outputs.artifacts["out"].path.read_text() == "hello"
    said = appears(tmp_path / "said").splitlines()
    assert said[:5] == ["run", "--rm", "--init", "--name", run.task("shell").execution]
    written = [
        said[at + 1].split(",")[1]
        for at, word in enumerate(said)
        if word == "--mount" and not said[at + 1].endswith("readonly")
    ]
    attempt = f"{tmp_path}/store/runs/{run.run_id}/tasks/shell/attempt-1"
    assert written == [
        f"source={attempt}/parameters",
        f"source={tmp_path}/store/artifacts/contained/.staging-{run.task('shell').execution}",
    ]
    assert "LEVEL=1" in said


@pytest.mark.parametrize(("code", "removed"), [(0, False), (3, True)])
def test_a_container_that_did_not_end_well_is_removed(
    tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch, code: int, removed: bool
) -> None:
    @dsl.container_component
    def shell() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="busybox:1.36", command=["true"])

    @dsl.pipeline(name="removed")
    def pipeline() -> None:
        shell()

    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(f"""#!/bin/sh
echo "$1" "$2" "$3" >> {tmp_path}/said
[ "$1" != run ] || exit {code}
""")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(docker, "has_engine", lambda: True)
    with Hosts() as own:
        run = go(pipeline, hosts=own)
    assert run.state is (State.FAILED if code else State.SUCCEEDED)
    assert (f"rm --force {run.task('shell').execution}" in appears(tmp_path / "said").splitlines()) == removed


def test_the_command_line_of_a_container() -> None:
    environment = DockerEnvironment(
        cwd=Path("/"), image="a/b:1", writable=(Path("/store"),), readable=(Path("/data"),), options=("--read-only",)
    )
    program = Program(["python3", "-m"], ["a b"], {"K": "v w"}, ["SECRET"])
    line = environment.command("x-1", program, [Path("/given, too")], [Path("/out")])
    assert line[:2] == ["docker", "run"]
    assert line[line.index("--entrypoint") :] == ["--entrypoint", "python3", "a/b:1", "-m", "a b"]
    assert [line[i + 1] for i, word in enumerate(line) if word == "--mount"] == [
        "type=bind,source=/data,target=/data,readonly",
        'type=bind,"source=/given, too","target=/given, too",readonly',
        "type=bind,source=/store,target=/store",
        "type=bind,source=/out,target=/out",
    ]
    assert line.index("--read-only") < line.index("a/b:1")
    assert [line[i + 1] for i, word in enumerate(line) if word == "--env"] == ["HOME=/tmp", "K=v w", "SECRET"]
    assert replace(environment, image="c").command("y", Program(["true"], [], {}), [], [])[-1] == "c"
