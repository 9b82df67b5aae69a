"""Trials that are tasks of their own are drawn when the pipeline is compiled, and collected by the tuning."""

from pathlib import Path
from typing import Any

import pytest

import localrun
from components.tune_model.config import Config as Tuning
from localrun.spec.pipeline import Dag, FromTask
from pipelines.compiled import compile_pipeline
from pipelines.config import UseCase, find, load


def _usecase(**changes: Any) -> UseCase:
    usecase = load(find("flight_delay"))
    tuning = {**usecase.tune_model.model_dump(exclude_none=True), "in_tasks": True, **changes}
    return usecase.model_copy(update={"tune_model": Tuning.model_validate(tuning)})


@pytest.mark.parametrize("pipeline", ["tuning", "level1"])
def test_the_first_trials_are_a_loop_over_points_that_are_drawn_now(tmp_path: Path, pipeline: str) -> None:
    usecase = _usecase(in_training=True)
    compile_pipeline(usecase, pipeline, tmp_path / "pipeline.yaml")
    compiled = localrun.load(tmp_path / "pipeline.yaml")
    root = compiled.root.implementation
    assert isinstance(root, Dag)
    (loop,) = [task for task in root.tasks.values() if task.loop is not None]
    assert loop.loop is not None
    drawn = usecase.tune_model.drawn(usecase.train_model.epochs, usecase.train_model.seed)
    assert len(loop.loop.constants) == len(drawn) == 1 + usecase.tune_model.trials
    inner = compiled.components[loop.component].implementation
    assert isinstance(inner, Dag)
    assert list(inner.tasks) == ["train-trial"]
    collected = root.tasks["tune-model"].artifacts["trials"]
    assert isinstance(collected, FromTask)
    assert collected.task == loop.name
    assert ("train-model" in root.tasks) == (pipeline == "level1")


def test_a_tuning_in_one_step_has_no_loop(tmp_path: Path) -> None:
    compile_pipeline(_usecase(in_tasks=False), "tuning", tmp_path / "pipeline.yaml")
    root = localrun.load(tmp_path / "pipeline.yaml").root.implementation
    assert isinstance(root, Dag)
    assert all(task.loop is None for task in root.tasks.values())
    assert "trials" not in root.tasks["tune-model"].artifacts
