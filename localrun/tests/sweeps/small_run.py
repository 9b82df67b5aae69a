"""A small run of plain commands, and what must hold after any death: shared by the sweeps and their tests."""

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler, dsl

import localrun
from localrun import Environment, Options, Run, State


def name_of(path: str) -> str:
    """Return what a task of a path writes down of itself."""
    return path.rpartition("step")[2].lstrip("-") or "1"


def compiled(folder: Path, *, salt: str = "0") -> Path:
    """Compile eight steps, four side by side and the last in a branch; each logs its name and makes an artifact."""

    @dsl.container_component
    def step(name: str, text: str, data: dsl.Output[dsl.Dataset], said: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        script = 'set -e; echo "$0 $1" >> ../ran; mkdir "$2"; echo "$1+$0" > "$2/part"; printf "%s" "$1+$0" > "$3"'
        return dsl.ContainerSpec(image="alpine", command=["sh", "-c", script], args=[name, text, data.path, said])

    @dsl.pipeline(name="steps")
    def pipeline(salt: str = salt) -> str:
        one = step(name="1", text=salt)
        two = step(name="2", text=one.outputs["said"])
        beside = [step(name=str(number), text=two.outputs["said"]) for number in range(3, 7)]
        seven = step(name="7", text=beside[0].outputs["said"]).after(*beside)
        with dsl.If(seven.outputs["said"] != "never"):
            eight = step(name="8", text=seven.outputs["said"])
        with dsl.Else():
            nine = step(name="9", text="never")
        return dsl.OneOf(eight.outputs["said"], nine.outputs["said"])

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "steps.yaml"
    compiler.Compiler().compile(pipeline, str(path))
    return path


def command(pipeline: Path, store: Path, project: Path, *more: str) -> list[str]:
    """Return the words that run it in a process of its own."""
    return [
        sys.executable,
        "-m",
        "localrun",
        str(pipeline),
        "--store",
        str(store),
        "--image",
        f"alpine={project}",
        "--json",
        *more,
    ]


def variables() -> dict[str, str]:
    """Return the variables of such a process."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def go_on(pipeline: Path, store: Path, project: Path) -> tuple[Run, set[str]]:
    """Resume what is there, or start where nothing is yet; returns also the tasks that had finished before."""
    environments = {"alpine": Environment(cwd=project, sources={"*": (project,)})}
    known = localrun.runs(store) if store.exists() else []
    options = Options(grace=0.2)
    if not known:
        return localrun.run(pipeline, {}, store=store, environments=environments, options=options), set()
    before = {task.path for task in localrun.show(store, known[0].run_id).tasks if task.state is State.SUCCEEDED}
    return localrun.resume(known[0].run_id, store=store, environments=environments, options=options), before


def facts(run: Run) -> list[Any]:
    """Return what two runs of one pipeline have in common: lineage without ids, and the bytes of every artifact."""
    names = {task.execution: task.path for task in run.tasks if task.execution}

    def side(values: Any) -> Any:
        artifacts = {
            name: (a.type, a.digest, names.get(a.producer), _content(a.path)) for name, a in values.artifacts.items()
        }
        return [dict(values.parameters), artifacts]

    return [
        run.state,
        side(run.outputs),
        [(t.path, t.state, t.image, side(t.inputs), side(t.outputs)) for t in run.tasks],
    ]


def _content(path: Path) -> Any:
    return sorted((str(file.relative_to(path)), file.read_text()) for file in path.rglob("*") if file.is_file())


def problems(whole: list[Any], pipeline: Path, store: Path, project: Path) -> list[str]:
    """Go on after a death and return everything that is not as it should be."""
    run, before = go_on(pipeline, store, project)
    ran = [line.split()[0] for line in (project.parent / "ran").read_text().splitlines()]
    with sqlite3.connect(store / "localrun.sqlite") as journal:
        integrity = journal.execute("PRAGMA integrity_check").fetchone()
        unfinished = journal.execute("SELECT count(*) FROM executions WHERE state = 'RUNNING'").fetchone()
    kept = {path.name for path in (store / "artifacts" / "steps").iterdir()}
    shown = localrun.show(store, run.run_id)
    checks: dict[str, Callable[[], bool]] = {
        f"the run is {run.state}: {[task.error for task in run.tasks if task.error]}": lambda: (
            run.state is State.SUCCEEDED
        ),
        "artifacts or lineage are not those of a run without a fault": lambda: facts(run) == whole,
        f"finished tasks ran again: {before} {ran}": lambda: all(ran.count(name_of(path)) <= 1 for path in before),
        f"staging is left: {list(store.rglob('.staging-*'))}": lambda: not list(store.rglob(".staging-*")),
        f"artifacts that no task has: {kept}": lambda: kept == {task.execution for task in run.tasks if task.execution},
        f"the journal is damaged: {integrity}": lambda: integrity == ("ok",),
        f"executions that never ended: {unfinished}": lambda: unfinished == (0,),
        "what is shown is not what was returned": lambda: facts(shown) == facts(run),
    }
    return [words for words, holds in checks.items() if not holds()]
