"""What flows through a pipeline: parameters, artifacts, branches, retries, failures."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl

from localrun import Environment, LocalrunError, Run, State
from localrun.events import RunFinished, TaskRetrying

Go = Callable[..., Run]


def states(run: Run) -> dict[str, State]:
    return {task.path: task.state for task in run.tasks}


def test_parameters_arrive_with_their_types(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="types")
    def pipeline(
        n: int = 2,
        flag: bool = True,
        names: list = ["a", 1],  # noqa: B006
        settings: dict = {"depth": 3, "rate": 0.5},  # noqa: B006
    ) -> str:
        grown = stages.add(a=n)
        stages.pair(n=grown.output)
        stages.echo(text=f"{n} and {grown.output}")
        return stages.describe(a=1.0, flag=flag, names=names, settings=settings).output

    run = go(pipeline, {"settings": {"depth": 4, "rate": 1.5}})
    assert run.state is State.SUCCEEDED
    # Whole numbers inside structures are integers, as on a cluster; a declared double stays one.
    assert run.outputs.parameters["Output"] == '[1.0, true, ["a", 1], {"depth": 4, "rate": 1.5}, null]'
    assert run.task("add").outputs.parameters == {"Output": 3}
    pair = run.task("pair").outputs.parameters
    assert pair == {"small": 3, "large": 31.5}
    assert isinstance(pair["small"], int)
    assert run.task("echo").outputs.parameters == {"Output": "2 and 3"}
    assert run.task("describe").function == "describe"


def test_artifacts_arrive_with_content_metadata_and_type(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="artifacts")
    def pipeline() -> dsl.Dataset:
        written = stages.write(text="hello")
        stages.read(data=written.outputs["data"])
        stages.by_path(text="four")
        return written.outputs["data"]

    run = go(pipeline)
    read, written = run.task("read"), run.task("write")
    assert read.outputs.parameters == {"Output": "hello"}
    assert read.outputs.artifacts["metrics"].metadata == {"rows": 5}
    assert read.outputs.artifacts["page"].type == "system.HTML"
    assert read.outputs.artifacts["page"].path.read_text() == "<p>fine</p>"
    data = read.inputs.artifacts["data"]
    assert (
        data
        == written.outputs.artifacts["data"]
        == run.outputs.artifacts["data" if "data" in run.outputs.artifacts else "Output"]
    )
    assert (data.type, data.metadata, data.producer) == ("system.Dataset", {"rows": 5}, written.execution)
    assert (data.path / "part").read_text() == "hello"
    by_path = run.task("by-path").outputs
    assert by_path.parameters == {"number": 4}
    assert by_path.artifacts["copy"].path.read_text() == "four"
    assert not list((tmp_path / "store").rglob(".staging-*"))


@pytest.mark.parametrize(("n", "taken"), [(5, "large"), (2, "middle"), (0, "none")])
def test_exactly_one_branch_runs_and_its_output_comes_out(go: Go, stages: ModuleType, n: int, taken: str) -> None:
    @dsl.pipeline(name="branches")
    def pipeline(n: int) -> str:
        grown = stages.add(a=n, b=0)
        with dsl.If(grown.output > 3):
            one = stages.echo(text="large")
            with dsl.If(n > 100):
                stages.echo(text="never")
        with dsl.Elif(grown.output > 1):
            two = stages.echo(text="middle")
        with dsl.Else():
            three = stages.echo(text="none")
        chosen = dsl.OneOf(one.output, two.output, three.output)
        stages.echo(text=chosen)
        return chosen

    run = go(pipeline, {"n": n})
    assert run.state is State.SUCCEEDED
    assert run.outputs.parameters["Output"] == taken
    assert run.task("echo-5").outputs.parameters["Output"] == taken
    inside = [task for task in run.tasks if "/" in task.path]
    assert sorted(task.state for task in inside) == [State.SKIPPED] * 3 + [State.SUCCEEDED]
    assert all(task.attempts == 0 for task in inside if task.state is State.SKIPPED)


def test_a_branch_hands_out_the_artifact_of_whoever_ran(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="oneof-artifact")
    def pipeline(left: bool) -> None:
        with dsl.If(left == True):  # noqa: E712 - kfp overloads ==
            one = stages.write(text="left")
        with dsl.Else():
            two = stages.write(text="right")
        stages.read(data=dsl.OneOf(one.outputs["data"], two.outputs["data"]))

    assert go(pipeline, {"left": False}).task("read").outputs.parameters == {"Output": "right"}


def test_pipelines_in_pipelines_and_after(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    log = str(tmp_path / "log")

    @dsl.pipeline
    def inner(text: str) -> str:
        written = stages.write(text=text, log=log)
        return stages.read(data=written.outputs["data"], log=log).outputs["Output"]

    @dsl.pipeline(name="outer")
    def pipeline(word: str = "a") -> str:
        first = inner(text=f"{word}-1")
        second = inner(text=f"{word}-2").after(first)
        return stages.echo(text=f"{first.output} {second.output}").output

    run = go(pipeline)
    assert run.outputs.parameters["Output"] == "a-1 a-2"
    assert (tmp_path / "log").read_text().splitlines() == ["write a-1", "read", "write a-2", "read"]
    assert {"inner/write", "inner-2/read"} <= states(run).keys()


def test_importer_lightweight_and_container_components(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "part").write_text("from outside")

    @dsl.container_component
    def shell(
        text: str,
        out: dsl.Output[dsl.Artifact],
        said: dsl.OutputPath(str),
        extra: str = None,  # noqa: RUF013
    ) -> dsl.ContainerSpec:  # type: ignore[valid-type,assignment]
        return dsl.ContainerSpec(
            image="alpine:3.19@sha256:abc",
            command=["sh", "-c", 'printf "%s" "$*" > "$1"; cp "$1" "$2"'],
            args=[
                "sh",
                said,
                out.path,
                dsl.ConcatPlaceholder(["<", text, ">"]),
                dsl.IfPresentPlaceholder("extra", then=["--extra", extra], else_=["--none"]),
            ],
        )

    @dsl.pipeline(name="kinds")
    def pipeline(uri: str) -> None:
        imported = dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset, reimport=False, metadata={"rows": 7})
        stages.read(data=imported.output)
        stages.lightweight(text="quiet")
        shell(text=dsl.PIPELINE_TASK_NAME_PLACEHOLDER)
        shell(text="b", extra="c d")

    run = go(pipeline, {"uri": f"file://{tmp_path}/given"})
    assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
    assert run.task("read").outputs.parameters == {"Output": "from outside"}
    assert run.task("read").outputs.artifacts["metrics"].metadata == {"rows": 7}
    assert run.task("lightweight").outputs.parameters == {"Output": "QUIET"}
    assert run.task("shell").outputs.parameters["said"].endswith(" <shell> --none")
    assert run.task("shell-2").outputs.artifacts["out"].path.read_text().endswith(" <b> --extra c d")


def test_ready_tasks_run_at_the_same_time(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="parallel")
    def pipeline() -> None:
        stages.meet(folder=str(tmp_path), me="a", other="b")
        stages.meet(folder=str(tmp_path), me="b", other="a")

    assert go(pipeline, max_workers=2).state is State.SUCCEEDED


def test_no_more_tasks_run_than_there_are_workers(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="wide")
    def pipeline() -> None:
        for n in range(5):
            stages.alone(folder=str(tmp_path), number=n)

    assert go(pipeline, max_workers=1).state is State.SUCCEEDED


@pytest.mark.known_failure(5)
def test_a_flaky_task_is_tried_again_after_its_back_off(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="retries")
    def pipeline() -> None:
        stages.flaky(counter=str(tmp_path / "n"), failures=2).set_retry(2, backoff_duration="0s", backoff_factor=2.0)

    events: list[object] = []
    run = go(pipeline, on_event=events.append)
    task = run.task("flaky")
    assert (run.state, task.attempts, task.outputs.parameters, task.error) == (State.SUCCEEDED, 3, {"Output": 2}, "")
    retried = [event for event in events if isinstance(event, TaskRetrying)]
    assert ["try 0" in event.task.error for event in retried] == [True, False]
    assert isinstance(events[-1], RunFinished)
    assert sorted(path.name for path in (run.folder / "tasks" / "flaky").iterdir()) == [
        "attempt-1",
        "attempt-2",
        "attempt-3",
    ]


def test_a_failure_shows_its_last_lines_and_keeps_its_outputs_out_of_sight(
    go: Go, stages: ModuleType, tmp_path: Path
) -> None:
    @dsl.pipeline(name="failure")
    def pipeline() -> None:
        stages.read(data=stages.write(text="x").after(stages.broken().set_retry(1)).outputs["data"])
        stages.echo(text="independent")

    run = go(pipeline)
    broken = run.task("broken")
    assert run.state is State.FAILED
    assert states(run) == {
        "broken": State.FAILED,
        "echo": State.SUCCEEDED,
        "write": State.UPSTREAM_FAILED,
        "read": State.UPSTREAM_FAILED,
    }
    assert broken.error.startswith("ended with exit code 1; last lines of ")
    assert broken.error.endswith("ValueError: the schema does not fit")
    assert broken.log is not None
    assert "about to fail" in broken.log.read_text()
    assert broken.failed_outputs is not None
    assert json.loads((broken.failed_outputs / "decision").read_text()) == {"verdict": "fail"}
    assert broken.outputs.artifacts == {}
    assert broken.attempts == 2
    assert not list((tmp_path / "store" / "artifacts").glob("*/broken-*"))
    assert not list((tmp_path / "store").rglob(".staging-*"))


@pytest.mark.parametrize(
    ("number", "message"),
    [(9, "killed by SIGKILL (killed from outside"), (11, "killed by SIGSEGV (a crash in native code)")],
)
def test_a_death_by_signal_is_named(go: Go, stages: ModuleType, number: int, message: str) -> None:
    @dsl.pipeline(name="death")
    def pipeline(number: int) -> None:
        stages.die(number=number)

    assert message in go(pipeline, {"number": number}).task("die").error


def test_a_hung_task_is_ended_and_says_where_it_was(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="hung")
    def pipeline() -> None:
        stages.meet(folder=str(tmp_path), me="a", other="nobody")

    began = time.monotonic()
    task = go(pipeline, attempt_timeout=2.0, grace=100.0).task("meet")
    assert time.monotonic() - began < 60, "the grace was waited out"
    assert task.state is State.FAILED
    assert "took longer than 2 s" in task.error
    assert "in meet" in task.error  # the stack at the moment it was told to end


def test_a_run_that_takes_too_long_is_cancelled(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="slow")
    def pipeline() -> None:
        stages.echo(text=stages.meet(folder=str(tmp_path), me="a", other="nobody").output)

    run = go(pipeline, run_timeout=2.0)
    assert (run.state, run.error) == (State.CANCELLED, "the run took longer than 2 s")
    assert states(run) == {"meet": State.CANCELLED, "echo": State.PENDING}


def test_an_output_that_leads_out_of_the_store_is_refused(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="links")
    def pipeline() -> None:
        stages.link_out()

    assert "leads out of its folder" in go(pipeline).task("link-out").error


def test_a_value_that_was_never_written_is_named(go: Go, stages: ModuleType) -> None:
    @dsl.container_component
    def silent(said: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return dsl.ContainerSpec(image="alpine", command=["true"], args=[said])

    @dsl.pipeline(name="silence")
    def pipeline() -> None:
        stages.echo(text=silent().outputs["said"])

    run = go(pipeline)
    assert run.state is State.FAILED
    assert "silent ended without a value for its output 'said'" in run.task("echo").error


def test_variables_of_the_environment_and_of_the_task_reach_it_and_others_do_not(
    go: Go, stages: ModuleType, environments: dict[str, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dsl.pipeline(name="variables")
    def pipeline() -> None:
        stages.variable(name="FROM_ENVIRONMENT")
        stages.variable(name="FROM_TASK").set_env_variable("FROM_TASK", "task")
        stages.variable(name="FROM_SHELL")

    monkeypatch.setenv("FROM_SHELL", "shell")
    environment = Environment(
        **{**environments["test/data"].__dict__, "variables": {"FROM_ENVIRONMENT": "environment"}}
    )
    run = go(pipeline, environments={"test/data": environment})
    assert [run.task(name).outputs.parameters["Output"] for name in ("variable", "variable-2", "variable-3")] == [
        "environment",
        "task",
        "",
    ]


def test_a_preload_that_fails_is_loud(go: Go, stages: ModuleType, environments: dict[str, Environment]) -> None:
    @dsl.pipeline(name="preload")
    def pipeline() -> None:
        stages.echo(text="a").set_retry(3)

    environment = Environment(**{**environments["test/data"].__dict__, "preload": ("no_such_module",)})
    task = go(pipeline, environments={"test/data": environment}).task("echo")
    assert task.state is State.FAILED
    assert "importing no_such_module failed" in task.error
    assert task.attempts == 0


def test_a_run_can_be_started_outside_the_main_thread(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="threaded")
    def pipeline() -> None:
        stages.echo(text="a")

    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(go(pipeline)))
    thread.start()
    thread.join(30)
    assert found[0].state is State.SUCCEEDED


def test_a_missing_working_directory_is_named_before_anything_runs(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="nowhere")
    def pipeline() -> None:
        stages.echo(text="a")

    with pytest.raises(LocalrunError, match=r"working directory .* does not exist"):
        go(pipeline, environments={"test/data": Environment(cwd=tmp_path / "nowhere")})
    assert not (tmp_path / "store").exists()
