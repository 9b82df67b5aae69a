"""What else is typed: list, show, --resume without a pipeline, --validate, --timeout, and Ctrl-C at any moment."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl

import localrun
from localrun.__main__ import main
from localrun.environments.record import read, written


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the command is typed in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def gate(compiled: Callable[[Any], Path]) -> Path:
    """Succeeds where the folder has a file `open`."""

    @dsl.container_component
    def enter(text: str, said: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        script = 'echo "at the gate"; test -e open || exit 3; printf "%s" "$0" > "$1"'
        return dsl.ContainerSpec(image="alpine:3", command=["sh", "-c", script], args=[text, said])

    @dsl.pipeline(name="gate")
    def pipeline(text: str = "in") -> str:
        return enter(text=text).outputs["said"]

    return compiled(pipeline)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_is_listed_shown_and_resumed_without_its_pipeline(
    gate: Path, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said(capsys, "list") == (0, ".localrun: no run has been started here\n", "")
    (tmp_path / "image").mkdir()
    code, out, err = said(capsys, str(gate), "-p", "text=me", "--image", "alpine=../image", "--logs")
    assert (code, out) == (1, "enter | at the gate\n")
    assert "first error: enter: ended with exit code 3" in err
    gate.unlink()
    (run,) = localrun.runs()
    code, out, _ = said(capsys, "list")
    assert code == 0
    assert out.split()[:2] == [run.run_id, "FAILED"]
    code, out, _ = said(capsys, "show", run.run_id)
    assert code == 0
    for wanted in ("FAILED in", 'text = "me"', "enter: FAILED", "first error: enter: ended", "run.html"):
        assert wanted in out
    assert said(capsys, "show", run.run_id, "--log", "enter")[:2] == (0, "at the gate\n")
    (tmp_path / "image" / "open").touch()
    code, _, err = said(capsys, "--resume", run.run_id)
    assert code == 0, err
    assert 'output said = "me"' in err.replace("Output", "said")
    assert json.loads(said(capsys, "list", "--json")[1])[0]["state"] == "SUCCEEDED"
    assert json.loads(said(capsys, "show", run.run_id, "--json")[1])["outputs"]["parameters"] == {"Output": "me"}


def test_validate_checks_and_runs_nothing(gate: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, str(gate), "--validate") == (0, "gate: 1 tasks; it can run here\n", "")
    code, _, err = said(capsys, str(gate), "--validate", "-p", "txt=a")
    assert code == 2
    assert "did you mean 'text'?" in err
    assert not list(folder.iterdir())


def test_a_run_that_takes_too_long_is_cancelled(
    compiled: Callable[[Any], Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @dsl.container_component
    def wait() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="alpine", command=["sleep", "600"])

    @dsl.pipeline(name="long")
    def pipeline() -> None:
        wait()

    code, _, err = said(capsys, str(compiled(pipeline)), "--timeout", "1.5s")
    assert code == 130
    assert "the run took longer than 1.5 s" in err
    with pytest.raises(SystemExit):
        main([str(folder), "--timeout", "soon"])
    assert "wanted a time such as 90s, 15m or 2h" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("pipeline.py", "", "compile it first: kfp dsl compile --py"),
        ("old.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n", "an Argo workflow"),
    ],
)
def test_what_is_not_compiled_yet_gets_the_way_out(
    name: str, content: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(content)
    code, _, err = said(capsys, name)
    assert code == 2
    assert words in err
    assert "compile it first" in err


def test_the_words_that_say_nothing_say_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, wanted in (
        ([], "wanted a compiled pipeline, or --resume RUN"),
        (["--resume", "x", "-p", "a=b"], "takes neither -p nor -a nor --validate"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert wanted in capsys.readouterr().err
    assert said(capsys, "show", "x")[0] == 1
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"localrun {localrun.__version__}\n"


SLOW_IMPORT = """
import pathlib, sys, time
class Slow:
    def find_spec(self, name, *_):
        if name == "localrun.spec.cel":
            pathlib.Path("now").touch(); time.sleep(60)
sys.meta_path.insert(0, Slow())
"""


@pytest.mark.parametrize("when", ["the command line loads", "an environment imports"])
def test_ctrl_c_ends_with_130_and_one_line(when: str, gate: Path, folder: Path) -> None:
    """Python's own start aside, whose traceback is Python's."""
    words = [sys.executable, "-m", "localrun", str(gate)]
    if when == "the command line loads":
        (folder / "sitecustomize.py").write_text(SLOW_IMPORT)
    else:
        python = folder / "python"
        python.write_text("#!/bin/sh\ntouch now\nexec sleep 60\n")
        python.chmod(0o755)
        words += ["--python", str(python)]
    process = subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": "."}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not (folder / "now").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert [line for line in out.splitlines() if "cancelled" in line] == out.splitlines()[-1:]
    assert "Traceback" not in out


def test_a_pipeline_may_be_a_function_a_file_or_its_content(gate: Path, folder: Path) -> None:
    (folder / "open").touch()
    content = json.loads(json.dumps(__import__("yaml").safe_load(gate.read_text())))
    for pipeline in (gate, str(gate), content):
        assert localrun.run(pipeline, text="a").check().outputs.parameters == {"Output": "a"}
    assert localrun.validate(gate).name == "gate"
    with pytest.raises(localrun.LocalrunError, match=r"got function; decorate it with @kfp.dsl.pipeline"):
        localrun.run(said)  # type: ignore[arg-type]
    with pytest.raises(localrun.LocalrunError, match="the content of a compiled pipeline is JSON"):
        localrun.run({"a": object()})


def test_a_notebook_shows_outputs_errors_and_tasks(gate: Path, folder: Path) -> None:
    failed = localrun.run(gate, text="<b>")
    html = failed._repr_html_()
    assert "FAILED" in html
    assert "ended with exit code 3" in html
    (folder / "open").touch()
    html = localrun.run(gate, text="<b>")._repr_html_()
    assert "SUCCEEDED" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_environments_are_remembered_but_not_the_values_of_their_variables(tmp_path: Path) -> None:
    plain = localrun.Environment(
        tmp_path, preload=("json",), sources={"*": (tmp_path,)}, lock=tmp_path / "lock", python=Path("/usr/bin/python3")
    )
    file = tmp_path / "environments.json"
    file.write_text(written({"a": plain}))
    assert read(file) == {"a": plain}
    file.write_text(written({"a": localrun.Environment(tmp_path, variables={"TOKEN": "secret"})}))
    assert "secret" not in file.read_text()
    with pytest.raises(localrun.LocalrunError, match="'a' had the variables TOKEN, whose values are not recorded"):
        read(file)
    assert read(tmp_path / "nothing.json") == {}


def test_every_public_name_is_there() -> None:
    assert all(hasattr(localrun, name) for name in localrun.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = localrun.nothing


def test_the_entry_points_lead_somewhere(stages: ModuleType) -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    (plugin,) = project["entry-points"]["pytest11"].values()
    assert importlib.import_module(plugin).run_pipeline
    module, _, name = project["scripts"]["localrun"].partition(":")
    assert getattr(importlib.import_module(module), name) is main


def test_the_readme_shows_the_example_that_is_tested() -> None:
    here = Path(__file__)
    assert here.with_name("test_example.py").read_text() in (here.parents[1] / "README.md").read_text()
