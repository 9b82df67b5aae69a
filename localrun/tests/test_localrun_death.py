"""A run survives the death of everything that executes it, at any moment."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl
from localrun_project import appears, gone

import localrun
from localrun import Environment, Hosts, Options, Run, State
from localrun.store.layout import Layout, locked

HERE = Path(__file__).parent
Go = Callable[..., Run]


def drive(pipeline: Path, store: Path, project: Path, last: int) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HERE / "localrun_driver.py"), str(pipeline), str(store), str(project), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def steps(compiled: Callable[[Any], Path]) -> Path:
    """Three steps and a branch of plain commands, each of which writes down that it ran."""

    @dsl.container_component
    def step(
        folder: str, name: str, text: str, data: dsl.Output[dsl.Dataset], said: dsl.OutputPath(str)
    ) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        script = 'echo "$1" >> "$0/ran"; mkdir "$3"; echo "$2+$1" > "$3/part"; printf "%s" "$2+$1" > "$4"'
        return dsl.ContainerSpec(
            image="alpine", command=["sh", "-c", script], args=[folder, name, text, data.path, said]
        )

    @dsl.pipeline(name="steps")
    def pipeline(folder: str) -> str:
        one = step(folder=folder, name="one", text="0")
        two = step(folder=folder, name="two", text=one.outputs["said"])
        with dsl.If(two.outputs["said"] == "0+one+two"):
            three = step(folder=folder, name="three", text=two.outputs["said"])
        with dsl.Else():
            four = step(folder=folder, name="four", text="never")
        return dsl.OneOf(three.outputs["said"], four.outputs["said"])

    return compiled(pipeline)


def test_killed_at_any_moment_it_goes_on_where_it_was(steps: Path, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = drive(steps, tmp_path / "store-whole", tmp_path / "whole", 0)
    moments = int(whole.communicate(timeout=300)[0])
    assert moments > 60
    chosen = sorted(random.Random(7).sample(range(1, moments + 1), 9))
    for last in chosen:
        project = tmp_path / f"project-{last}"
        project.mkdir()
        store = tmp_path / f"store-{last}"
        process = drive(steps, store, project, last)
        process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, last
        check_goes_on(steps, store, project, last)


def check_goes_on(steps: Path, store: Path, project: Path, last: int) -> None:
    environments = {"alpine": Environment(cwd=project, sources={"*": ()})}
    known = localrun.runs(store)
    if not known:  # it died before it was anything
        run = localrun.run(steps, {"folder": str(project)}, store=store, environments=environments)
        before: list[str] = []
    else:
        assert known[0].state in {State.INTERRUPTED, State.SUCCEEDED}, last
        before = [task.path for task in localrun.show(store, known[0].run_id).tasks if task.state is State.SUCCEEDED]
        run = localrun.resume(known[0].run_id, store=store, environments=environments)
    assert run.state is State.SUCCEEDED, (last, [task.error for task in run.tasks])
    assert run.outputs.parameters == {"Output": "0+one+two+three"}
    ran = (project / "ran").read_text().split()
    again = [name for name in ("one", "two", "three") if ran.count(name) > 1]
    finished = {"step": "one", "step-2": "two", "condition-branches-1/condition-2/step-3": "three"}
    assert not {finished[path] for path in before if path in finished} & set(again), (last, before, ran)
    assert [(a.path / "part").read_text() for task in run.tasks for a in task.outputs.artifacts.values()] == [
        "0+one\n",
        "0+one+two\n",
        "0+one+two+three\n",
    ]
    assert not list(store.rglob(".staging-*")), last
    kept = {path.name for path in (store / "artifacts" / "steps").iterdir()}
    assert kept == {task.execution for task in run.tasks if task.execution}, last
    with sqlite3.connect(store / "localrun.sqlite") as journal:
        assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert journal.execute("SELECT count(*) FROM executions WHERE state = 'RUNNING'").fetchone() == (0,)


@pytest.mark.known_failure(29)
def test_when_the_runner_is_killed_no_descendant_survives(
    stages: ModuleType, compiled: Callable[[Any], Path], project: Path, tmp_path: Path
) -> None:
    @dsl.pipeline(name="lingers")
    def pipeline(folder: str) -> None:
        stages.linger(folder=folder)

    script = (
        "import sys, localrun; from pathlib import Path; p = Path(sys.argv[2]);"
        "localrun.run(Path(sys.argv[1]), {'folder': sys.argv[3]}, store=Path(sys.argv[3]) / 'store',"
        " environments={'test/data': localrun.Environment(cwd=p)})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(compiled(pipeline)), str(project), str(tmp_path)],
    )
    pids = [int(appears(tmp_path / name)) for name in ("task", "grandchild")]
    process.kill()
    process.wait()
    assert all(gone(pid) for pid in pids)
    (known,) = localrun.runs(tmp_path / "store")
    assert known.state is State.INTERRUPTED


@pytest.mark.known_failure(6)
def test_ctrl_c_ends_every_descendant_and_leaves_the_run_resumable(
    stages: ModuleType,
    compiled: Callable[[Any], Path],
    environments: dict[str, Environment],
    hosts: Hosts,
    tmp_path: Path,
) -> None:
    @dsl.pipeline(name="cancelled")
    def pipeline(folder: str) -> None:
        stages.echo(text="before")
        stages.linger(folder=folder)

    def on_event(event: object) -> None:
        task = getattr(event, "task", None)
        if task is not None and task.name == "linger" and task.state is State.RUNNING:
            subprocess.Popen(
                ["sh", "-c", f"while [ ! -s '{tmp_path}/grandchild' ]; do sleep 0.02; done; kill -INT {os.getpid()}"]
            )

    store = tmp_path / "store"
    options = Options(grace=0.3, hosts=hosts, on_event=on_event)
    run = localrun.run(
        compiled(pipeline), {"folder": str(tmp_path)}, store=store, environments=environments, options=options
    )
    assert (run.state, run.error, run.task("linger").state) == (State.CANCELLED, "cancelled", State.CANCELLED)
    assert all(gone(int((tmp_path / name).read_text())) for name in ("task", "grandchild"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not list(store.rglob(".staging-*"))
    assert [known.state for known in localrun.runs(store)] == [State.CANCELLED]
    options = Options(hosts=hosts, attempt_timeout=0.3, grace=0.1)
    resumed = localrun.resume(run.run_id, store=store, environments=environments, options=options)
    assert (resumed.task("echo").attempts, resumed.task("linger").attempts, resumed.state) == (1, 2, State.FAILED)


def test_what_a_task_leaves_behind_is_ended_with_it(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="daemons")
    def pipeline(folder: str) -> None:
        stages.leave_behind(folder=folder)

    assert go(pipeline, {"folder": str(tmp_path)}).state is State.SUCCEEDED
    assert gone(int((tmp_path / "grandchild").read_text()))


def test_a_warm_process_that_dies_is_replaced(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="replaced")
    def pipeline(marker: str) -> None:
        stages.kill_host_once(marker=marker).set_retry(1)

    with Hosts() as own:
        run = go(pipeline, {"marker": str(tmp_path / "marker")}, hosts=own)
    task = run.task("kill-host-once")
    assert (task.state, task.attempts, task.outputs.parameters) == (State.SUCCEEDED, 2, {"Output": "alive"})


def test_a_failed_run_resumes_only_what_failed_and_what_was_damaged(
    go: Go, stages: ModuleType, environments: dict[str, Environment], hosts: Hosts, tmp_path: Path
) -> None:
    log, counter = tmp_path / "log", tmp_path / "n"

    @dsl.pipeline(name="fails")
    def pipeline() -> None:
        written = stages.write(text="a", log=str(log))
        stages.read(data=written.outputs["data"], log=str(log)).after(stages.flaky(counter=str(counter), failures=2))

    run = go(pipeline)
    assert (run.state, run.task("read").state) == (State.FAILED, State.UPSTREAM_FAILED)
    store, options = tmp_path / "store", Options(hosts=hosts)
    again = localrun.resume(run.run_id, store=store, environments=environments, options=options)
    assert (again.state, again.task("flaky").attempts, again.task("write").attempts) == (State.FAILED, 2, 1)
    (again.task("write").outputs.artifacts["data"].path / "part").write_text("b")
    done = localrun.resume(run.run_id, store=store, environments=environments, options=options)
    assert done.state is State.SUCCEEDED, [task.error for task in done.tasks]
    assert log.read_text().split("\n") == ["write a", "write a", "read", ""]
    assert localrun.show(store, run.run_id) == done
    assert localrun.resume(run.run_id, store=store, environments=environments, options=options).tasks == done.tasks


def test_many_runs_share_one_store(steps: Path, tmp_path: Path) -> None:
    processes = []
    for number in range(5):
        (tmp_path / f"p{number}").mkdir()
        processes.append(drive(steps, tmp_path / "store", tmp_path / f"p{number}", 0))
    results = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, results
    runs = localrun.runs(tmp_path / "store")
    assert len({run.run_id for run in runs}) == 5
    assert {run.state for run in runs} == {State.SUCCEEDED}


def test_a_run_that_another_process_executes_is_left_alone(
    go: Go, stages: ModuleType, environments: dict[str, Environment], tmp_path: Path
) -> None:
    @dsl.pipeline(name="owned")
    def pipeline() -> None:
        stages.echo(text="a")

    run = go(pipeline)
    store = tmp_path / "store"
    with (
        locked(Layout(store), run.run_id),
        pytest.raises(localrun.LocalrunError, match="is being executed by another process"),
    ):
        localrun.resume(run.run_id, store=store, environments=environments)
    (run.folder / "pipeline.yaml").write_text((run.folder / "pipeline.yaml").read_text() + "# other")
    with pytest.raises(localrun.LocalrunError, match="is not the pipeline that the run was started with"):
        localrun.resume(run.run_id, store=store, environments=environments)
    with pytest.raises(localrun.LocalrunError, match=f"no run 'x{run.run_id}'; did you mean '{run.run_id}'"):
        localrun.show(store, f"x{run.run_id}")


def test_code_imported_by_a_warm_process_is_never_stale(
    stages: ModuleType, compiled: Callable[[Any], Path], project: Path, tmp_path: Path
) -> None:
    @dsl.pipeline(name="stale")
    def pipeline() -> str:
        return stages.uses_helper().output

    path = compiled(pipeline)
    environment = Environment(
        cwd=project, preload=("helper",), sources={"*": (project / "stages.py", project / "helper.py")}
    )
    helper = project / "helper.py"
    with Hosts() as own:
        for value in ("1", "2"):
            helper.write_text(f"VALUE = '{value}'\n")
            options = Options(hosts=own)
            run = localrun.run(
                path, {}, store=tmp_path / "store", environments={"test/data": replace(environment)}, options=options
            )
            assert run.outputs.parameters == {"Output": value}
    helper.unlink()
