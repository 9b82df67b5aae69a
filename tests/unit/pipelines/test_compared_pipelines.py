"""What `mlops pipelines diff` says of two compiled pipelines: every change, in words, once."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from core.errors import UsageError
from mlops.cli.main import cli
from mlops.report import change_comment
from pipelines.compared.changes import PipelineChange, as_json, between, compare
from pipelines.compared.steps import compiled_of

GOLDEN = Path(__file__).resolve().parents[2] / "pipeline" / "golden"
LEVEL1 = GOLDEN / "flight_delay-level1.yaml"
Documents = list[dict[str, Any]]
Edit = Callable[[Documents], None]


@pytest.fixture(scope="module")
def documents() -> Documents:
    return list(yaml.load_all(LEVEL1.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


@pytest.fixture
def changed(documents: Documents) -> Callable[[Edit], PipelineChange]:
    """Return a function that compares the golden pipeline with an edited copy of it."""

    def after(edit: Edit) -> PipelineChange:
        edited = copy.deepcopy(documents)
        edit(edited)
        return between(compiled_of(documents, b"before"), compiled_of(edited, b"after"))

    return after


Changed = Callable[[Edit], PipelineChange]


def _tasks(documents: Documents) -> dict[str, Any]:
    tasks: dict[str, Any] = documents[0]["root"]["dag"]["tasks"]
    return tasks


def _constant(documents: Documents, task: str) -> dict[str, Any]:
    config: dict[str, Any] = _tasks(documents)[task]["inputs"]["parameters"]["config"]["runtimeValue"]["constant"]
    return config


def _sentences(found: PipelineChange) -> list[str]:
    return [change.sentence for change in found.changes]


def test_a_parameter_is_named_with_its_step_and_both_values(changed: Changed) -> None:
    assert _sentences(changed(lambda it: _constant(it, "train-model").update(epochs=6.0))) == [
        "train-model: parameter config.epochs changes from 5 to 6"
    ]


def test_an_item_of_a_list_is_named_by_its_name(changed: Changed) -> None:
    assert _sentences(changed(lambda it: _constant(it, "evaluate-model")["metrics"][0].update(at_least=0.65))) == [
        "evaluate-model: parameter config.metrics[auc].at_least changes from 0.63 to 0.65"
    ]


def test_an_image_of_several_steps_is_one_change_that_names_them(changed: Changed) -> None:
    def edit(documents: Documents) -> None:
        for executor in documents[0]["deploymentSpec"]["executors"].values():
            if "/tfx:" in executor["container"]["image"]:
                executor["container"]["image"] = "ml-in-production/tfx:0123456789abcdef"

    [sentence] = _sentences(changed(edit))
    assert sentence.endswith(
        "image changes from ml-in-production/tfx:(content) to ml-in-production/tfx:0123456789abcdef"
    )
    assert {"train-model", "validate-data", "evaluate-model"} <= set(sentence.partition(":")[0].split(", "))


def test_a_push_that_loses_its_gate_is_said(changed: Changed) -> None:
    def edit(documents: Documents) -> None:
        for component in documents[0]["components"].values():
            for task in component.get("dag", {}).get("tasks", {}).values():
                task.pop("triggerPolicy", None)

    found = {change.steps: change for change in changed(edit).changes}
    [pushed] = [change for steps, change in found.items() if "push-model" in steps]
    assert pushed.aspect == "condition"
    assert pushed.before.count("== true") == 4
    assert pushed.after == "evaluate-model's output Output == true"


def test_steps_that_come_and_go_are_said(changed: Changed) -> None:
    def rename(documents: Documents) -> None:
        tasks = _tasks(documents)
        tasks["check-labels"] = copy.deepcopy(tasks["validate-data"])
        tasks["check-labels"]["taskInfo"]["name"] = "check-labels"
        del tasks["scope-use-case"]
        tasks["ingest-examples"]["dependentTasks"].remove("scope-use-case")

    sentences = _sentences(changed(rename))
    assert "step check-labels is new: ml-in-production/tfx:(content)" in sentences
    assert any(sentence.startswith("step scope-use-case is gone; it was ml-in-production/") for sentence in sentences)


def test_a_time_limit_of_the_second_document_is_said(changed: Changed) -> None:
    def edit(documents: Documents) -> None:
        executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        executors["exec-train-model"]["activeDeadlineSeconds"] = "60"

    assert _sentences(changed(edit)) == ["train-model: time limit in seconds changes from 1800 to 60"]


def test_words_for_people_are_no_change(changed: Changed) -> None:
    def edit(documents: Documents) -> None:
        documents[0]["pipelineInfo"]["description"] = "Another sentence."

    found = changed(edit)
    assert found.state == "changed" and not found.changes
    assert "nothing but descriptions" in found.sentence


def _leaves(edited: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, holder and key of every leaf of a copy."""
    stack: list[tuple[str, Any]] = [("", edited)]
    while stack:
        path, holder = stack.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            if isinstance(holder[key], dict | list):
                stack.append((f"{path}/{key}", holder[key]))
            else:
                yield f"{path}/{key}", holder, key


def test_no_change_of_the_file_goes_unsaid(documents: Documents) -> None:
    """Every kind of leaf in the file, changed alone, is a change."""
    edited = copy.deepcopy(documents)
    unchanged = compiled_of(documents, b"before")
    seen: set[tuple[str, ...]] = set()
    silent = []
    for path, holder, key in _leaves(edited):
        kind = tuple(part for part in path.split("/") if not part.isdigit())[-4:]
        if kind in seen or key in ("description", "componentRef"):
            continue
        seen.add(kind)
        before, holder[key] = holder[key], _other(holder[key])
        try:
            if not between(unchanged, compiled_of(edited, b"after")).changes:
                silent.append(path)
        except LookupError:
            pass  # a reference to nothing; `read` refuses the file
        finally:
            holder[key] = before
    assert len(seen) > 100
    assert silent == []


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}-x"


def test_folders_are_compared_by_file_name(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, names in ((before, ("level0", "level1")), (after, ("level1", "inference"))):
        folder.mkdir()
        for name in names:
            (folder / f"flight_delay-{name}.yaml").write_bytes((GOLDEN / f"flight_delay-{name}.yaml").read_bytes())
    assert [(one.name, one.state) for one in compare(before, after).pipelines] == [
        ("flight-delay-inference", "added"),
        ("flight-delay-level0", "removed"),
        ("flight-delay-level1", "same"),
    ]
    assert as_json(compare(before, before))["same"] is True


@pytest.mark.parametrize("content", ["", "{", "a: 1", "[1, 2]", "pipelineInfo: 3", "\x00"])
def test_a_file_that_is_no_pipeline_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.yaml").write_text(content)
    with pytest.raises(UsageError, match=r"other\.yaml: wanted a pipeline"):
        compare(LEVEL1, tmp_path / "other.yaml")


def _with_images(path: Path, **tags: str) -> None:
    """Write the golden pipelines with other tags of images."""
    path.mkdir()
    for name in ("level0", "level1"):
        text = (GOLDEN / f"flight_delay-{name}.yaml").read_text(encoding="utf-8")
        for group, tag in tags.items():
            text = text.replace(f"ml-in-production/{group}:(content)", f"host:5000/ml-in-production/{group}:{tag}")
        (path / f"flight_delay-{name}.yaml").write_text(text)


def test_another_version_of_an_image_is_said_once_for_all_pipelines(tmp_path: Path) -> None:
    _with_images(tmp_path / "before", tfx="1", data="1", serving="1")
    _with_images(tmp_path / "after", tfx="2", data="2", serving="1")
    found = compare(tmp_path / "before", tmp_path / "after")
    assert [one.sentence for one in found.images] == [
        "image data changes from host:5000/ml-in-production/data:1 to host:5000/ml-in-production/data:2",
        "image tfx changes from host:5000/ml-in-production/tfx:1 to host:5000/ml-in-production/tfx:2",
    ]
    assert [one.sentence for one in found.pipelines] == [
        "flight-delay-level0: nothing but the images",
        "flight-delay-level1: nothing but the images",
    ]
    text = change_comment.pipelines(found)
    assert text.count("tfx:2") == 1
    assert "Nothing else in 2 of 2 pipelines." in text


def test_a_step_that_moves_to_another_image_is_said_with_its_name(tmp_path: Path) -> None:
    _with_images(tmp_path / "before", tfx="1", data="1")
    _with_images(tmp_path / "after", tfx="2", data="1")
    moved = tmp_path / "after" / "flight_delay-level1.yaml"
    text = moved.read_text().replace("ml-in-production/data:1", "ml-in-production/tfx:2", 1)
    moved.write_text(text)
    found = compare(tmp_path / "before", tmp_path / "after")
    sentences = [change.sentence for one in found.pipelines for change in one.changes]
    assert any("data:1 to host:5000/ml-in-production/tfx:2" in one for one in sentences)
    assert any("train-model" in one and "tfx:1 to" in one for one in sentences), "tfx:2 has two origins: say both"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.yaml"):
        compare(LEVEL1, tmp_path / "nothing.yaml")


def test_the_verb_prints_words_markdown_and_json(tmp_path: Path, documents: Documents) -> None:
    edited = copy.deepcopy(documents)
    _constant(edited, "train-model")["module"] = "a`@everyone`<b>"
    for name, content in (("before", documents), ("after", edited)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(content), encoding="utf-8")
    files = [str(tmp_path / "before.yaml"), str(tmp_path / "after.yaml")]
    run = CliRunner().invoke
    words = run(cli, ["pipelines", "diff", *files])
    assert words.exit_code == 0
    assert "train-model: parameter config.module is new" in words.output
    markdown = run(cli, ["pipelines", "diff", *files, "--markdown"]).output
    assert "- `train-model`: `parameter config.module` is new: `a'@everyone'<b>`" in markdown
    assert '"same": false' in run(cli, ["pipelines", "diff", *files, "--json"]).output
    assert "No change" in run(cli, ["pipelines", "diff", files[0], files[0], "--markdown"]).output


@pytest.mark.parametrize("text", ["@everyone", "[x](http://y)", "<img src=x>", "![x](y)", "a | b", "`code`", "# Title"])
def test_plain_text_stays_plain_in_markdown(text: str) -> None:
    shown = change_comment.plain(text)
    assert "@e" not in shown
    for mark in "[]<>!|`#":
        assert shown.count(mark) == shown.count(f"\\{mark}")
