"""However a task ends, the run says why in words, and nothing of it stays behind."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl, kubernetes
from localrun_project import appears, gone

from localrun import Hosts, Run, State
from localrun.execution.outcome import _how_it_ended
from localrun.hosts import host

Go = Callable[..., Run]


def test_a_task_that_is_refused_memory_is_named_and_not_tried_again(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="hoards")
    def pipeline() -> None:
        stages.hoard(megabytes=4000).set_retry(3, backoff_duration="0s")

    task = go(pipeline).task("hoard")
    assert (task.state, task.attempts) == (State.FAILED, 1)
    assert task.error.startswith("out of memory: ended with exit code 1")


def test_the_kernel_is_named_where_it_killed_for_memory() -> None:
    said = _how_it_ended({"status": 9, "out_of_memory": True, "max_rss": 3 * 2**30})
    assert said == "out of memory: killed by the kernel (SIGKILL) at 3.0 GiB"
    assert "SIGKILL (killed from outside" in _how_it_ended({"status": 9, "out_of_memory": False})
    assert _how_it_ended({"status": 0}) == ""


def test_a_stuck_warm_process_is_named(go: Go, stages: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_QUIET", 0.05)
    monkeypatch.setattr(host, "_SILENT", 0.2)

    @dsl.pipeline(name="stuck")
    def pipeline() -> None:
        stages.stop_host()

    with Hosts() as own:
        run = go(pipeline, hosts=own)
    assert run.state is State.FAILED
    assert "the warm process has not answered" in run.task("stop-host").error


def test_a_pipelines_own_time_limit_ends_that_task_alone_and_each_attempt_has_it(
    go: Go, stages: ModuleType, tmp_path: Path
) -> None:
    @dsl.pipeline(name="limited")
    def pipeline(folder: str) -> None:
        late = stages.fork_twice(folder=folder).set_retry(1, backoff_duration="0s")
        kubernetes.set_timeout(late, 1)
        stages.echo(text="other")

    run = go(pipeline, {"folder": str(tmp_path)}, grace=0.1)
    task = run.task("fork-twice")
    assert (task.state, task.attempts) == (State.FAILED, 2)
    assert "longer than 1 s" in task.error
    assert run.task("echo").state is State.SUCCEEDED


@pytest.mark.parametrize("limit", ["attempt_timeout", "run_timeout"])
def test_a_task_that_takes_too_long_says_where_it_was(go: Go, stages: ModuleType, tmp_path: Path, limit: str) -> None:
    @dsl.pipeline(name="late")
    def pipeline(folder: str) -> None:
        stages.fork_twice(folder=folder)

    options: dict[str, Any] = {limit: 1.0, "grace": 0.1}
    run = go(pipeline, {"folder": str(tmp_path)}, **options)
    task = run.task("fork-twice")
    assert run.state is (State.FAILED if limit == "attempt_timeout" else State.CANCELLED)
    assert "longer than 1 s" in task.error
    assert task.log is not None
    assert "in fork_twice" in task.log.read_text()
    assert gone(int(appears(tmp_path / "grandchild")), 0.5)
