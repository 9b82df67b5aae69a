"""What a use case says of resources, retries and time limits stands in the compiled pipeline, for every world."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import localrun
from core.errors import ConfigError
from localrun.spec.pipeline import Container, Dag
from pipelines.compiled import PIPELINES, compile_pipeline
from pipelines.config import USECASES, UseCase, find, load
from pipelines.steps import Step

FLIGHT_DELAY = (USECASES / "flight_delay" / "config.yaml").read_text(encoding="utf-8")


def _usecase(**changes: Any) -> UseCase:
    return load(find("flight_delay")).model_copy(update=changes)


def _compiled(tmp_path: Path, usecase: UseCase, pipeline: str = "level1") -> localrun.Pipeline:
    compile_pipeline(usecase, pipeline, tmp_path / "pipeline.yaml")
    return localrun.load(tmp_path / "pipeline.yaml")


def _container(pipeline: localrun.Pipeline, stage: str) -> Container:
    found = pipeline.components[f"comp-{stage.replace('_', '-')}"].implementation
    assert isinstance(found, Container)
    return found


def test_a_stages_settings_reach_its_task_and_no_other(tmp_path: Path) -> None:
    step = Step.model_validate(
        {
            "resources": {"cpu": "250m", "memory": "1G"},
            "retry": {"times": 2, "wait_seconds": 7},
            "timeout_minutes": 0.5,
        }
    )
    pipeline = _compiled(tmp_path, _usecase(steps={"train_model": step}))
    trained = _container(pipeline, "train_model")
    assert (trained.cpus, trained.memory, trained.seconds) == (0.25, 10**9, 30.0)
    root = pipeline.root.implementation
    assert isinstance(root, Dag)
    assert (root.tasks["train-model"].retry.count, root.tasks["train-model"].retry.backoff) == (2, 7.0)
    other = _container(pipeline, "evaluate_model")
    assert (other.cpus, other.seconds, root.tasks["evaluate-model"].retry.count) == (0.1, 3600.0, 0)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_no_step_is_without_a_request_a_limit_and_a_time_limit(
    compiled_pipeline: Callable[[str], Path], pipeline: str
) -> None:
    spec, platform = yaml.safe_load_all(compiled_pipeline(pipeline).read_text(encoding="utf-8"))
    executors = spec["deploymentSpec"]["executors"]
    limits = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    wanted = {f"resource{kind}{side}" for kind in ("Cpu", "Memory") for side in ("Request", "Limit")}
    assert {name for name, executor in executors.items() if wanted <= executor["container"]["resources"].keys()} == set(
        executors
    )
    assert {name for name in executors if int(limits[name]["activeDeadlineSeconds"]) > 0} == set(executors)


def test_settings_that_change_no_result_are_not_part_of_a_stages_section() -> None:
    generous = _usecase(steps={"train_model": Step.model_validate({"resources": {"memory": "8Gi"}})})
    assert generous.section("train_model") == _usecase().section("train_model")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("train_modl: {}", r"steps.train_modl is not a stage; did you mean 'train_model'\?"),
        ("train_model: {resources: {cpu: two}}", "steps.train_model.resources.cpu: String should match"),
        ("train_model: {resources: {memory: 1GB}}", "steps.train_model.resources.memory: String should match"),
        ("train_model: {timeout_minutes: 0}", "steps.train_model.timeout_minutes: Input should be greater than 0"),
        (
            "train_model: {retry: {times: 11}}",
            "steps.train_model.retry.times: Input should be less than or equal to 10",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_file_line_and_key(tmp_path: Path, wrong: str, message: str) -> None:
    text = FLIGHT_DELAY.replace("  train_model: {resources: {memory: 1Gi}, timeout_minutes: 30}", f"  {wrong}", 1)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"config.yaml:\d+: {message}"):
        load(tmp_path)


@pytest.mark.parametrize("cron", ["", "0 6 2 *", "0 0 6 2 * *"])
def test_a_schedule_with_another_number_of_fields_is_refused(tmp_path: Path, cron: str) -> None:
    (tmp_path / "config.yaml").write_text(FLIGHT_DELAY.replace('"0 6 2 * *"', f'"{cron}"', 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.yaml:\d+: schedules.retrain.cron: wanted five fields"):
        load(tmp_path)
