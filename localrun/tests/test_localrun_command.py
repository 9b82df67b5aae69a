"""`localrun`: what somebody with a compiled pipeline and nothing else types."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl

from localrun import State, TaskRun, events
from localrun.__main__ import main
from localrun.display.progress import describe, memory, shown
from localrun.records import Run


@pytest.fixture
def shell(compiled: Callable[[Any], Path]) -> Path:
    @dsl.container_component
    def say(text: str, times: int, said: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return dsl.ContainerSpec(
            image="alpine:3",
            command=["sh", "-c", 'test "$1" -gt 0 && printf "%s" "$0" > "$2"'],
            args=[text, times, said],
        )

    @dsl.pipeline(name="shell")
    def pipeline(text: str, times: int = 1) -> str:
        return say(text=text, times=times).outputs["said"]

    return compiled(pipeline)


def test_prints_one_json_object_and_nothing_else(
    shell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        str(shell),
        "-p",
        "text=a=b",
        "--store",
        str(tmp_path / "s"),
        "--image",
        f"alpine={tmp_path}",
        "--json",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    run = json.loads(out)
    assert (run["state"], run["outputs"]["parameters"], err) == ("SUCCEEDED", {"Output": "a=b"}, "")
    assert Path(run["folder"]).is_dir()


def test_prints_a_line_per_change_and_the_tail_of_a_failure(
    shell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        str(shell),
        "-p",
        "text=a",
        "-p",
        "times=0",
        "--store",
        str(tmp_path / "s"),
        "--image",
        f"alpine={tmp_path}",
    ]
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert "say: RUNNING\n" in err
    assert "say: FAILED" in err
    assert "ended with exit code 1" in err
    run_id = err.split()[1].rstrip(":")
    assert main([str(shell), "--store", str(tmp_path / "s"), "--image", f"alpine={tmp_path}", "--resume", run_id]) == 1
    assert "attempt 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "text"], "-p text: wanted NAME=VALUE"),
        (["-p", "txt=a"], "no parameter 'txt'; did you mean 'text'?"),
        (["-p", "text=a", "-p", "times=one"], "-p times: wanted an integer written as JSON, got 'one'"),
        (["-p", "text=a", "-p", "times=1.5"], "-p times: wanted an integer, got 1.5 (float)"),
        ([], "no value for parameter 'text'"),
        (["-p", "text=a", "--image", "alpin=."], "did you mean 'alpine'?"),
    ],
)
def test_wrong_words_end_with_code_2_and_the_way_out(
    shell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([str(shell), "--store", str(tmp_path / "s"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


@pytest.mark.known_failure(8)
def test_the_runner_imports_neither_kfp_nor_protobuf_nor_rich(shell: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from localrun.__main__ import main; code = main(sys.argv[1:]);"
        "heavy = {'kfp', 'google.protobuf', 'rich', 'numpy', 'tensorflow', 'mlops', 'docker'} & set(sys.modules);"
        " print(heavy); sys.exit(bool(heavy) or code)"
    )
    arguments = [str(shell), "-p", "text=a", "--store", str(tmp_path / "s"), "--image", f"alpine={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("count", [3, 200])
def test_a_terminal_gets_a_table(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    tasks = tuple(TaskRun(f"task-{n}", f"task-{n}", "comp", "f") for n in range(count))
    stream = Terminal()
    with shown(stream=stream) as on_event:
        on_event(events.RunStarted("run-1", "p", tmp_path, tasks))
        on_event(events.HostStarting("image"))
        on_event(events.TaskChanged(TaskRun("task-0", "task-0", "comp", "f", state=State.SUCCEEDED, cached=True)))
        on_event(
            events.TaskChanged(
                TaskRun(
                    "task-1",
                    "task-1",
                    "comp",
                    "f",
                    state=State.FAILED,
                    error="[red]went wrong",
                    seconds=2,
                    max_rss_bytes=2**30,
                )
            )
        )
        on_event(events.HostReady("image", 1.0))
        finished = Run("run-1", "p", State.FAILED, {}, datetime(2026, 1, 1, tzinfo=UTC), 2.0, tmp_path)
        on_event(events.RunFinished(finished))
    text = stream.getvalue()
    assert "SUCCEEDED (cached)" in text
    assert "[red]went wrong" in text
    assert "run-1: FAILED in 2.0 s" in text
    assert "1.0 GiB" in text


def test_a_broken_pipe_is_no_reason_to_fail(tmp_path: Path) -> None:
    with shown(stream=_Broken()) as on_event:
        on_event(events.RunStarted("run-1", "p", tmp_path, ()))


class _Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_task_is_described_in_one_line(stages: ModuleType) -> None:
    task = TaskRun("a/b", "b", "comp", "f", state=State.SUCCEEDED, seconds=1.26, attempts=2, max_rss_bytes=5 * 2**20)
    assert describe(task) == "a/b: SUCCEEDED, 1.3 s, 5 MiB, attempt 2"
    assert memory(3 * 2**30) == "3.0 GiB"
