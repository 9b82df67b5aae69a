"""What a person gets to see of runs, and how old ones are removed."""

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from kfp import dsl

import localrun
from localrun import Run, State
from localrun.__main__ import main
from localrun.store.layout import Layout, locked

Go = Callable[..., Run]


@pytest.fixture
def diamond(stages: ModuleType, compiled: Callable[[Any], Path]) -> Path:
    @dsl.pipeline
    def inner(text: str) -> str:
        return stages.echo(text=stages.echo(text=text).output).output

    @dsl.pipeline(name="diamond")
    def pipeline(text: str = "<b>") -> None:
        written = stages.write(text=inner(text=text).output)
        with dsl.If(text == "<b>"):
            stages.read(data=written.outputs["data"])
        stages.echo(text="after").after(written)

    return compiled(pipeline)


def test_a_run_has_a_picture_and_a_page_that_need_nothing_else(go: Go, diamond: Path) -> None:
    run = go(diamond)
    assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
    picture = ElementTree.fromstring((run.folder / "graph.svg").read_text())
    names = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert set(names[1:]) == {task.path for task in run.tasks}
    arrows = list(picture.iter("{http://www.w3.org/2000/svg}path"))
    assert len(arrows) == 4  # inside the group, out of it, into the branch, to the last
    page = (run.folder / "run.html").read_text()
    assert "://" not in re.sub(r"http://www.w3.org/2000/svg", "", page)
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    for target in re.findall(r"href='([^']+)'", page):
        assert (run.folder / target).exists(), target
    assert page.count('<g class="task">') == 2 * len(run.tasks)
    frames = picture.findall(".//{*}g[@class='group']/{*}text")
    assert {frame.text for frame in frames} == {"inner", "condition-1"}


def test_a_failed_task_is_on_the_page_with_its_error(go: Go, stages: ModuleType) -> None:
    @dsl.pipeline(name="bad")
    def pipeline() -> None:
        stages.echo(text="never").after(stages.broken())

    run = go(pipeline)
    page = (run.folder / "run.html").read_text()
    assert "the schema does not fit" in page
    assert "UPSTREAM_FAILED" in page


def test_events_are_one_json_object_per_line(
    compiled: Callable[[Any], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @dsl.container_component
    def say(said: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return dsl.ContainerSpec(image="alpine", command=["sh", "-c", 'printf x > "$0"'], args=[said])

    @dsl.pipeline(name="shell")
    def pipeline() -> None:
        say()

    assert (
        main(
            [str(compiled(pipeline)), "--store", str(tmp_path / "s"), "--image", f"alpine={tmp_path}", "--json-events"]
        )
        == 0
    )
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events if not event["event"].startswith("host")] == [
        "run_started",
        "task_changed",
        "task_changed",
        "run_finished",
    ]
    assert events[-1]["run"]["state"] == "SUCCEEDED"
    assert all(datetime.fromisoformat(event["time"]) for event in events)
    assert err == ""


NOW = datetime.now(UTC)


def old(days: int) -> dict[str, Any]:
    return {"clock": lambda: NOW - timedelta(days=days)}


@pytest.fixture
def three(go: Go, stages: ModuleType, compiled: Callable[[Any], Path]) -> list[Run]:
    """An old run, another whose result a new run has used, and that new run."""

    @dsl.pipeline(name="pair")
    def pair(text: str) -> None:
        stages.read(data=stages.write(text=text).outputs["data"])

    path = compiled(pair)
    return [go(path, {"text": "a"}, **old(60)), go(path, {"text": "b"}, **old(50)), go(path, {"text": "b"}, **old(1))]


def test_clean_says_what_goes_and_removes_it_only_when_told(
    three: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    before = sorted(path.relative_to(store) for path in store.rglob("*") if "sqlite" not in path.name)
    assert main(["clean", "--older-than", "30d", "--store", str(store)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"would remove 2 runs, 2 cache entries, 4 folders, \d+ MiB", out), out
    assert "nothing was changed" in out
    assert sorted(path.relative_to(store) for path in store.rglob("*") if "sqlite" not in path.name) == before
    assert main(["clean", "--older-than", "30d", "--store", str(store), "--yes"]) == 0
    assert [run.run_id for run in localrun.runs(store)] == [three[2].run_id]
    kept = {path.name for path in (store / "artifacts" / "pair").iterdir()}
    assert kept == {task.execution for task in three[2].tasks}
    assert localrun.show(store, three[2].run_id).tasks == three[2].tasks
    with sqlite3.connect(store / "localrun.sqlite") as journal:
        assert journal.execute("SELECT count(*) FROM executions").fetchone() == (2,)
    assert (
        main(["clean", "--older-than", "0m", "--store", str(store), "--yes"]) == 0
    )  # what was kept for its user goes with it
    assert localrun.runs(store) == []
    assert not list((store / "artifacts" / "pair").iterdir())
    assert not list((store / "runs").iterdir())


def test_after_cleaning_a_result_is_made_anew(three: list[Run], go: Go, stages: ModuleType, tmp_path: Path) -> None:
    main(["clean", "--older-than", "0m", "--store", str(tmp_path / "store"), "--yes"])

    @dsl.pipeline(name="pair")
    def pair() -> None:
        stages.write(text="a")

    assert [(task.state, task.cached) for task in go(pair).tasks] == [(State.SUCCEEDED, False)]


def test_what_is_being_executed_is_never_touched(
    three: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(tmp_path / "store")
    with locked(layout, three[0].run_id):
        assert main(["clean", "--older-than", "30d", "--store", str(layout.root), "--yes"]) == 0
    assert "is being executed: the cache stays as it is" in capsys.readouterr().err
    assert {run.run_id for run in localrun.runs(layout.root)} == {three[0].run_id, three[2].run_id}
    assert (three[0].task("write").outputs.artifacts["data"].path / "part").read_text() == "a"
    assert (three[1].task("write").outputs.artifacts["data"].path / "part").read_text() == "b"


def test_what_a_death_while_cleaning_left_goes_the_next_time(three: list[Run], tmp_path: Path) -> None:
    store = tmp_path / "store"
    for stray in ("runs/pair-1/x", "artifacts/pair/gone-1/x", "artifacts/pair/.staging-gone-2/x"):
        (store / stray).mkdir(parents=True)
    main(["clean", "--older-than", "30d", "--store", str(store), "--yes"])
    assert not list(store.rglob("x"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--older-than", "30"], 2, "wanted a number with m, h, d or w"),
        (["--older-than", "3d"], 1, "no run has been started here"),
    ],
)
def test_clean_names_what_it_cannot_do(
    arguments: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", *arguments, "--store", str(tmp_path / "none")]) == code
    assert said in capsys.readouterr().err
