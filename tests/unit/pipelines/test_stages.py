"""A stage is found by its folder, gets what its fields ask of the problem, and is left out where it has no section."""

import importlib
import json
import math
import runpy
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.train_model.config import Config as TrainModel
from core.errors import ConfigError, UsageError
from core.images import GROUPS, image
from core.problem import FromProblem, Problem, facts_in
from core.settings import Settings
from core.user_code import ROOT
from core.worker_jobs.job import IMAGE
from pipelines import segments, stages, transport
from pipelines.compiled import compile_pipeline, wiring_digest
from pipelines.config import USECASES, UseCase, load

FLIGHT_DELAY = USECASES / "flight_delay"


def _usecase(folder: Path, **sections: Any) -> UseCase:
    """Load flight_delay with other sections; `...` leaves one out."""
    content = yaml.safe_load((FLIGHT_DELAY / "config.yaml").read_text(encoding="utf-8")) | sections
    written = {key: value for key, value in content.items() if value is not ...}
    (folder / "config.yaml").write_text(yaml.safe_dump(written, sort_keys=False), encoding="utf-8")
    for name in ("module.py", "schema.pbtxt"):
        (folder / name).write_bytes((FLIGHT_DELAY / name).read_bytes())
    return load(folder)


def _tasks(usecase: UseCase, pipeline: str) -> set[str]:
    compile_pipeline(usecase, pipeline, usecase.folder / "compiled.yaml")
    spec = next(yaml.safe_load_all((usecase.folder / "compiled.yaml").read_text(encoding="utf-8")))
    return {name.removeprefix("exec-") for name in spec["deploymentSpec"]["executors"]}


def test_every_folder_with_a_component_is_a_stage() -> None:
    assert set(stages.names()) == {path.parent.name for path in (ROOT / "components").glob("*/component.py")}
    for stage in stages.names():
        assert stages.config_model(stage) is importlib.import_module(f"components.{stage}.config").Config
        assert stage in UseCase.model_fields


def test_an_unknown_stage_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no stage 'train_modl' in components/; did you mean 'train_model'"):
        segments.run(_usecase(tmp_path), "train_modl")


@pytest.mark.parametrize("stage", stages.names())
def test_a_step_finds_its_function_without_a_list(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container runs it, in the project's root; what it is given is no executor input, and it says so."""
    stages.component(stage)
    arguments = stages.component(stage).component_spec.implementation.container.args
    assert arguments.count("--component_module_path") == 1, "asking twice changes nothing"
    words = [word if isinstance(word, str) else "no JSON" for word in arguments]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["kfp.dsl.executor_main", *words])
    with pytest.raises(json.JSONDecodeError):
        runpy.run_module("kfp.dsl.executor_main", run_name="__main__")
    assert Path(sys.modules["component"].__file__ or "").resolve() == ROOT / "components" / stage / "component.py"
    assert hasattr(sys.modules["component"], stage)


def test_stages_of_defaults_alone_are_there_without_a_section(tmp_path: Path) -> None:
    usecase = _usecase(tmp_path, validate_infra=..., train_model=..., compute_statistics=..., validate_data=...)
    assert usecase.train_model == TrainModel(label="late", task="binary_classification")
    assert _tasks(usecase, "level1") >= {"validate-infra", "train-model", "compute-statistics", "validate-data"}


def test_a_stage_without_a_section_is_left_out(tmp_path: Path) -> None:
    everything = _tasks(_usecase(tmp_path), "level0")
    left_out = _usecase(tmp_path, scope_use_case=..., compute_statistics=None, validate_data=None, validate_infra=None)
    gone = {"scope-use-case", "compute-statistics", "validate-data", "validate-infra"}
    assert _tasks(left_out, "level0") == everything - gone


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"ingest_examples": ...}, "config.yaml: ingest_examples is missing, but needed here: write its section"),
        ({"train_model": None}, "config.yaml: train_model is missing"),
        ({"compute_statistics": None}, "leave validate_data out too: `validate_data: null`"),
        ({"validate_infra": None}, "push_model.requires names validate_infra"),
    ],
)
def test_a_stage_that_a_pipeline_needs_is_asked_for(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    usecase = _usecase(tmp_path, **sections)
    with pytest.raises(ConfigError, match=message):
        _tasks(usecase, "level1")


class _Annotated(Settings):
    target: Annotated[str, FromProblem("label")]
    metrics: tuple[str, ...] = ()
    """Equally named, and none of the problem's business."""


class _NoFact(Settings):
    label: Annotated[str, FromProblem("labell")]


def test_a_fact_goes_to_the_field_that_asks_for_it_and_not_to_one_of_its_name() -> None:
    assert facts_in(_Annotated) == {"target": "label"}
    with pytest.raises(TypeError, match="labell is no fact"):
        facts_in(_NoFact)


@pytest.mark.parametrize("stage", stages.names())
def test_a_field_named_as_a_fact_says_where_it_comes_from(stage: str) -> None:
    """In the stages of this project, so that no fact is forgotten where a field waits for it."""
    model = stages.config_model(stage)
    facts = facts_in(model)
    assert set(Problem.model_fields) & set(model.model_fields) <= set(facts)
    assert all(name == fact for name, fact in facts.items())


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ("{since: 2013-01-01}", "since", r"got 2013-01-01 \(date\); put it in quotes"),
        ("{1: one}", "1", r"wanted text as a key|valid string"),
        ("{deep: {yes: one}}", "deep.True", r"wanted text as a key, got True \(bool\); put it in quotes"),
        ("{rate: .nan}", "rate", "wanted a finite number, got nan"),
        ("{rates: [1, .inf]}", "rates.1", "wanted a finite number, got inf"),
        ("{id: 9007199254740993}", "id", "beyond 2.53 and would arrive rounded; put it in quotes"),
        ("{layers: null}", "layers", "null does not reach a step; leave the key out, or write a value"),
        ("{raw: !!binary aGk=}", "raw", r"\(bytes\); put it in quotes"),
    ],
)
def test_a_value_that_cannot_reach_a_step_is_named_with_file_line_and_key(
    tmp_path: Path, written: str, key: str, message: str
) -> None:
    text = (FLIGHT_DELAY / "config.yaml").read_text(encoding="utf-8")
    text = text.replace("train_model:\n", f"train_model:\n  run_fn:\n    custom_config: {written}\n", 1)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    line = text.splitlines().index(f"    custom_config: {written}") + 1
    place = rf"config.yaml:{line}: train_model.run_fn.custom_config.{key}"
    with pytest.raises(ConfigError, match=rf"{place}: .*({message})"):
        load(tmp_path)


def test_a_wrong_type_is_named_with_file_line_and_key(tmp_path: Path) -> None:
    text = (FLIGHT_DELAY / "config.yaml").read_text(encoding="utf-8")
    text = text.replace("train_model:\n", "train_model:\n  run_fn:\n    custom_config: [1, 2]\n", 1)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    line = text.splitlines().index("    custom_config: [1, 2]") + 1
    wanted = rf"config.yaml:{line}: train_model.run_fn.custom_config: .*valid dictionary; got \[1, 2\]"
    with pytest.raises(ConfigError, match=wanted):
        load(tmp_path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=values)
def test_what_is_accepted_reaches_a_step_as_it_was_written(value: Any) -> None:
    config = TrainModel(label="late", task="regression", hyperparameters={"value": value})
    if list(transport.faults(config, ("train_model",))):
        return
    arrived = json.loads(json.dumps(config.model_dump(mode="json", exclude_none=True)), parse_int=float)
    assert TrainModel.model_validate(arrived) == config
    assert not isinstance(value, date | bytes)
    assert not (isinstance(value, float) and math.isnan(value))


@pytest.mark.parametrize("pipeline", ["level0", "level1", "level2"])
def test_a_pipeline_takes_label_files_only_where_the_use_case_imports_labels(tmp_path: Path, pipeline: str) -> None:
    found = {}
    for name, sections in {"with": {"import_labels": {"aggregation": "majority"}}, "without": {}}.items():
        (tmp_path / name).mkdir()
        usecase = _usecase(tmp_path / name, **sections)
        tasks = _tasks(usecase, pipeline)
        spec = next(yaml.safe_load_all((usecase.folder / "compiled.yaml").read_text(encoding="utf-8")))
        found[name] = ("import-labels" in tasks, "labels" in spec["root"]["inputDefinitions"]["parameters"])
    assert found == {"with": (True, True), "without": (False, False)}


@pytest.mark.parametrize(("apply", "transforms"), [("propose", 1), ("within_loss", 2)])
def test_a_selection_that_is_applied_is_trained_on(tmp_path: Path, apply: str, transforms: int) -> None:
    compile_pipeline(
        _usecase(tmp_path, select_features={"max_loss": 0.01, "apply": apply}), "level1", tmp_path / "made.yaml"
    )
    spec = next(yaml.safe_load_all((tmp_path / "made.yaml").read_text(encoding="utf-8")))
    tasks = spec["root"]["dag"]["tasks"]
    assert sum(name.startswith("transform-features") for name in tasks) == transforms
    is_selected = "taskOutputParameter" in tasks["train-model"]["inputs"]["parameters"]["schema"]
    assert is_selected == (apply == "within_loss")
    assert "select-features" not in _tasks(_usecase(tmp_path), "level1"), "without a section the stage is left out"


def test_a_training_of_several_processes_knows_its_image(tmp_path: Path) -> None:
    """What it starts elsewhere runs in the step's own image; another version of that is no other wiring."""
    training = yaml.safe_load((FLIGHT_DELAY / "config.yaml").read_text(encoding="utf-8"))["train_model"]
    (tmp_path / "case").mkdir()
    usecase = _usecase(tmp_path / "case", train_model=training | {"distribution": {"workers": 2, "kfp": {}}})
    digests = []
    for version in ("a", "b"):
        names = {image(group): f"registry.example:5000/{image(group)}@sha256:{version * 64}" for group in GROUPS}
        compile_pipeline(usecase, "level0", tmp_path / "made.yaml", names)
        spec = next(yaml.safe_load_all((tmp_path / "made.yaml").read_text(encoding="utf-8")))
        container = spec["deploymentSpec"]["executors"]["exec-train-model"]["container"]
        assert container["env"] == [{"name": IMAGE, "value": container["image"]}]
        assert container["image"] == names[image("tfx")]
        digests.append(wiring_digest(tmp_path / "made.yaml"))
    assert digests[0] == digests[1]
