"""A pipeline asks the gates that a release requires, and a mistake is found before anything runs."""

from pathlib import Path

import pytest
import yaml
from kfp import dsl

from core.errors import ConfigError
from pipelines import gates, segments
from pipelines.compiled import write_compiled
from pipelines.config import USECASES, UseCase, load
from pipelines.level1 import level1

FLIGHT_DELAY = USECASES / "flight_delay"


def usecase(folder: Path, section: str = "") -> UseCase:
    """Return flight_delay without its reviews, and with this section `push_model`."""
    settings = yaml.safe_load((FLIGHT_DELAY / "config.yaml").read_text(encoding="utf-8"))
    for name in ("audit_privacy", "write_cards", "push_model"):
        del settings[name]
    text = yaml.safe_dump(settings)
    (folder / "config.yaml").write_text(f"{text}\npush_model:\n{section}\n" if section else text, encoding="utf-8")
    for name in ("module.py", "schema.pbtxt"):
        (folder / name).write_bytes((FLIGHT_DELAY / name).read_bytes())
    return load(folder)


WAIVED = '  requires: [evaluate_model]\n  waives: {validate_infra: "this model is never served"}'


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("  requires: [evaluate_model, validate_infra, evalute_model]", "did you mean 'evaluate_model'"),
        ("  requires: [evaluate_model, validate_infra, train_model]", "'train_model' is no gate"),
        ("  waives: {explain: a long enough reason}", "push_model.waives: 'explain' is no gate"),
        ("  requires: [evaluate_model]", "leaves out validate_infra"),
    ],
)
def test_a_gate_that_is_not_there_or_left_out_is_a_mistake_in_the_file(
    tmp_path: Path, section: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:\d+: push_model") as caught:
        usecase(tmp_path, section)
    assert message in str(caught.value)


def _tasks(wired: object, target: Path) -> dict[str, dict]:
    write_compiled(wired, target)
    ir = next(yaml.safe_load_all(target.read_text(encoding="utf-8")))
    dags = [ir["root"], *ir["components"].values()]
    return {name: task for dag in dags for name, task in dag.get("dag", {}).get("tasks", {}).items()}


def test_a_waived_gate_is_asked_but_stops_nothing(tmp_path: Path) -> None:
    tasks = _tasks(level1(usecase(tmp_path, WAIVED)), tmp_path / "level1.yaml")
    conditions = [task["triggerPolicy"]["condition"] for task in tasks.values() if "triggerPolicy" in task]
    assert len(conditions) == 1
    assert "evaluate-model-Output" in conditions[0]
    assert "'producerTask': 'validate-infra'" in str(tasks["collect-evidence"]["inputs"]["artifacts"])


def test_a_pipeline_that_pushes_needs_the_section_that_says_what_for(tmp_path: Path) -> None:
    use = usecase(tmp_path).model_copy(update={"push_model": None})
    with pytest.raises(ConfigError, match=r"config\.yaml: push_model is missing, but needed here"):
        level1(use)


def _pipeline(use: UseCase, evaluations: int, *, infra: bool = True) -> dsl.base_component.BaseComponent:
    """Wire a pipeline that evaluates one model several times and pushes it."""

    @dsl.pipeline(name="several-evaluations")
    def several(source: str, span: int, data: str, champion: str, registry: str, submission: str) -> None:  # noqa: PLR0917 - kfp
        in_production = segments.InProduction(champion, registry)
        validated = segments.validated_data(use, segments.PinnedSource(source, span, data))
        found = segments.candidate(use, validated, in_production)
        shared = {"schema": use.schema_file, "examples": found.examples, "model": found.model}
        decided = {"evaluate_model": found.evaluated}
        for index in range(1, evaluations):
            decided[f"again_{index}"] = segments.run(use, "evaluate_model", **shared, **in_production._asdict())
        if infra:
            decided["validate_infra"] = segments.served(use, found)
        evidence = segments.collected(use, **decided)
        segments.pushed(use, found, evidence, segments.Destination(champion, registry, submission))

    return several


def test_any_number_of_decisions_is_collected_under_names_of_their_own(tmp_path: Path) -> None:
    tasks = _tasks(_pipeline(usecase(tmp_path), 8), tmp_path / "several.yaml")
    collections = [tasks["collect-evidence"], tasks["collect-evidence-2"], tasks["collect-evidence-3"]]
    names = [task["inputs"]["parameters"]["names"]["runtimeValue"]["constant"] for task in collections]
    assert names == [
        ["evaluate_model", "again_1", "again_2", "again_3"],
        ["again_4", "again_5", "again_6", "again_7"],
        ["validate_infra"],
    ]
    assert [task["inputs"]["artifacts"].get("earlier", {}) for task in collections] == [
        {},
        {"taskOutputArtifact": {"outputArtifactKey": "evidence", "producerTask": "collect-evidence"}},
        {"taskOutputArtifact": {"outputArtifactKey": "evidence", "producerTask": "collect-evidence-2"}},
    ]
    evidence = tasks["push-model"]["inputs"]["artifacts"]["evidence"]["taskOutputArtifact"]
    assert evidence["producerTask"] == "collect-evidence-3"


def test_a_pipeline_that_does_not_ask_a_required_gate_is_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"requires names validate_infra, but this pipeline does not collect"):
        _pipeline(usecase(tmp_path), 1, infra=False)


def test_a_gate_that_the_release_does_not_know_is_not_compiled(tmp_path: Path) -> None:
    use = usecase(tmp_path)
    with pytest.raises(ConfigError, match=r"asks explain_model, which push_model does not know"):
        gates.check_asked(
            use.push_model, ["evaluate_model", "validate_infra", "explain_model"], tmp_path / "config.yaml"
        )
