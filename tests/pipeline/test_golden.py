"""The compiled pipelines are the contract between the three worlds: they change on purpose or not at all."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.images import GROUPS, image, local_references
from pipelines.compiled import PIPELINES, compile_pipeline
from pipelines.config import find, load
from pipelines.kinds import Kind

GOLDEN = Path(__file__).parent / "golden"


Compiled = Callable[[str], Path]


def _without_digests(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"(ml-in-production/[a-z]+):[0-9a-f]{16}", r"\1:(content)", text)
    return re.sub(r"@sha256:[0-9a-f]{64}", "@sha256:(digest)", text)


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
def test_the_compiled_pipeline_is_the_golden_one(pipeline: str, compiled_pipeline: Compiled) -> None:
    compiled = _without_digests(compiled_pipeline(pipeline))
    golden = GOLDEN / f"flight_delay-{pipeline}.yaml"
    if os.environ.get("REFRESH_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(compiled, encoding="utf-8")
    assert compiled == golden.read_text(encoding="utf-8"), (
        f"if the change is meant: REFRESH_GOLDEN=1 .venv/bin/pytest {Path(__file__).relative_to(Path.cwd())}"
    )


def test_compiling_twice_gives_the_same_bytes(compiled_pipeline: Compiled, tmp_path: Path) -> None:
    compile_pipeline(load(find("flight_delay")), "level1", tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_bytes() == compiled_pipeline("level1").read_bytes()


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
def test_no_compiled_pipeline_names_an_image_that_can_move(
    pipeline: str, compiled_pipeline: Compiled, tmp_path: Path
) -> None:
    assert set(_images(compiled_pipeline(pipeline))) <= set(local_references().values())
    digests = {image(group): f"registry.example:5000/team/{image(group)}@sha256:{'0' * 64}" for group in GROUPS}
    compile_pipeline(load(find("flight_delay")), pipeline, tmp_path / "pushed.yaml", digests)
    assert set(_images(tmp_path / "pushed.yaml")) <= set(digests.values())


def _images(path: Path) -> list[str]:
    executors = next(yaml.safe_load_all(path.read_text(encoding="utf-8")))["deploymentSpec"]["executors"]
    return [executor["container"]["image"] for executor in executors.values()]


def _behind(compiled: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the gates that push_model stands behind, from the outermost, and the tasks beside it.

    Read from the compiled file alone: no road to push_model but through a condition on each gate.
    """
    ir = next(yaml.safe_load_all(compiled.read_text(encoding="utf-8")))
    tasks, passed = ir["root"]["dag"]["tasks"], []
    while "push-model" not in tasks:
        (inner,) = (task for name, task in tasks.items() if name.startswith("condition"))
        passed += re.findall(r"pipelinechannel--([a-z-]+)-Output'\] == true", inner["triggerPolicy"]["condition"])
        tasks = ir["components"][inner["componentRef"]["name"]]["dag"]["tasks"]
    return passed, tasks


@pytest.mark.parametrize(("usecase", "gate"), [("loan", "measure-fairness"), ("digits", "explain-model")])
def test_the_push_stands_behind_a_gate_that_a_use_case_switches_on(usecase: str, gate: str, tmp_path: Path) -> None:
    compile_pipeline(load(find(usecase)), "level1", tmp_path / "level1.yaml")
    passed, _ = _behind(tmp_path / "level1.yaml")
    assert passed == ["evaluate-model", "validate-infra", gate]


def test_the_push_stands_behind_every_gate(compiled_pipeline: Compiled) -> None:
    passed, tasks = _behind(compiled_pipeline("level1"))
    assert passed == ["evaluate-model", "validate-infra", "audit-privacy", "write-cards"]
    assert set(tasks) == {"collect-evidence-2", "push-model"}
    decisions = tasks["collect-evidence-2"]["inputs"]["artifacts"].values()
    assert {channel["componentInputArtifact"] for channel in decisions} == {
        "pipelinechannel--collect-evidence-evidence",
        "pipelinechannel--write-cards-cards",
        "pipelinechannel--write-cards-decision",
    }


def test_nothing_is_trained_before_the_data_has_passed_its_gate(compiled_pipeline: Compiled) -> None:
    for pipeline in (name for name, one in PIPELINES.items() if one.kind is Kind.TRAINING):
        spec, _ = yaml.safe_load_all(compiled_pipeline(pipeline).read_text(encoding="utf-8"))
        tasks = spec["root"]["dag"]["tasks"]
        assert "validate-data" in tasks["transform-features"]["dependentTasks"]
        assert "scope-use-case" in tasks["ingest-examples"]["dependentTasks"]


def test_nothing_is_predicted_before_the_data_has_passed_its_gate(compiled_pipeline: Compiled) -> None:
    spec, _ = yaml.safe_load_all(compiled_pipeline("inference").read_text(encoding="utf-8"))
    tasks = spec["root"]["dag"]["tasks"]
    assert set(tasks) == {"ingest-examples", "compute-statistics", "validate-data", "infer-bulk"}
    assert "validate-data" in tasks["infer-bulk"]["dependentTasks"]
