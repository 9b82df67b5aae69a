"""Files of labeling tools: what is exported can be imported, twice changes nothing, and an import is all or nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.labels.errors import (
    EvalRow,
    LabelAfterCutoff,
    LabelError,
    LabelOutsideDomain,
    MalformedLabel,
    OtherProject,
    RepeatedAnnotator,
    UnknownRow,
)
from artifacts.labels.files import folder_of, labels
from artifacts.labels.reader import Label
from core import durable
from core.errors import UsageError
from mlops.actions.labeling.exchange import ImportOptions, exported, import_file
from mlops.actions.labeling.formats import FORMATS, format_of
from mlops.actions.labeling.project import Defaults, Project, Task
from tests.unit.actions.labeled_rows import AFTER, NOON, label, queue, rows, store

ROWS = rows("win a prize now", "see you at noon", "call me later")
OPTIONS = ImportOptions(now=AFTER)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
numbers = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
features = st.dictionaries(names, texts | numbers | st.lists(numbers, max_size=3), max_size=3)


@st.composite
def projects(draw: Callable[..., Any]) -> Project:
    classes = draw(st.sampled_from([("ham", "spam"), (0, 1, 2), ("a b", "ß\u2028", "3")]))
    tasks = []
    for key in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        annotators = draw(st.lists(names, max_size=3, unique=True))
        given_ = [
            Label(
                key,
                draw(st.sampled_from(classes)),
                annotator,
                draw(st.integers(0, 4 * 10**15)),
                draw(st.sampled_from(["serve", "label-studio"])),
            )
            for annotator in annotators
        ]
        shares = draw(st.none() | st.floats(0, 1))
        suggestion = (
            {} if shares is None else {str(one): round(shares / (place + 1), 4) for place, one in enumerate(classes)}
        )
        tasks.append(Task(key, draw(features), suggestion, tuple(given_)))
    return Project("spam", "label", classes, tuple(tasks))


@pytest.mark.parametrize("tool", FORMATS)
@settings(max_examples=40)
@given(projects())
def test_what_is_exported_is_imported_as_it_was(tool: str, project: Project) -> None:
    back = format_of(tool).load(format_of(tool).dump(project), "f", Defaults())
    without_place = [
        Task(task.key, task.features, task.suggestion, tuple(one._replace(where="") for one in task.labels))
        for task in back.tasks
    ]
    assert Project(back.usecase, back.label, back.classes, tuple(without_place)) == project


@pytest.mark.parametrize("tool", FORMATS)
def test_importing_twice_changes_nothing(tmp_path: Path, tool: str) -> None:
    given_ = [label("k0"), label("k1", "ham"), label("k1", "spam", "bob")]
    file = write(tmp_path, tool, exported(queue(ROWS, 2), given_))
    first = import_file(store(tmp_path), ROWS, file, tool, OPTIONS)
    before = files(tmp_path)
    second = import_file(store(tmp_path), ROWS, file, tool, ImportOptions(now="2026-11-03T00:00:00Z"))
    assert (first.labels, first.new, second.new, second.file) == (3, 3, 0, None)
    assert files(tmp_path) == before
    assert {one._replace(where="f:1") for one in labels(folder_of(tmp_path, "spam"))} == set(given_)


def test_a_later_answer_of_the_same_annotator_is_a_correction(tmp_path: Path) -> None:
    for value, time in (("ham", NOON), ("spam", NOON + 1), ("ham", NOON)):
        file = write(tmp_path, "prodigy", exported(queue(ROWS), [label("k0", value, time=time)]))
        import_file(store(tmp_path), ROWS, file, "prodigy", OPTIONS)
    project = exported(queue(ROWS), list(labels(folder_of(tmp_path, "spam"))))
    assert [one.label for one in project.tasks[0].labels] == ["spam"]


def test_label_studio_gets_pre_annotations() -> None:
    task = Task("k0", {"text": "win"}, {"ham": 0.2, "spam": 0.8})
    (made,) = json.loads(format_of("label-studio").dump(Project("spam", "label", ("ham", "spam"), (task,))))
    assert made["data"]["text"] == "win"
    assert made["predictions"][0]["score"] == 0.8
    assert made["predictions"][0]["result"][0]["value"] == {"choices": ["spam"]}


def test_what_label_studio_itself_adds_is_understood(tmp_path: Path) -> None:
    tasks = json.loads(format_of("label-studio").dump(exported(queue(ROWS), [])))
    answered = {"completed_by": 7, "created_at": "2026-11-01T12:00:00.5Z", "lead_time": 3.1, "ground_truth": False}
    result = {"id": "x", "from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["spam"]}}
    tasks[0]["annotations"] = [answered | {"result": [result]}, answered | {"was_cancelled": True, "result": []}]
    tasks[1]["annotations"] = [answered | {"result": []}]
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    assert import_file(store(tmp_path), ROWS, file, "label-studio", OPTIONS).new == 1
    (found,) = labels(folder_of(tmp_path, "spam"))
    assert found[:5] == ("k0", "spam", "7", NOON + 500_000, "label-studio")


def test_who_and_when_may_be_given_where_the_file_does_not_say(tmp_path: Path) -> None:
    lines = format_of("doccano").dump(exported(queue(ROWS), [])).replace('"label": []', '"label": ["ham"]')
    file = tmp_path / "ann.jsonl"
    file.write_text(lines)
    with pytest.raises(
        MalformedLabel, match=r"ann.jsonl:1: wanted who labeled .k0., got nothing; name them: --annotator"
    ):
        import_file(store(tmp_path), ROWS, file, "doccano", OPTIONS)
    assert import_file(store(tmp_path), ROWS, file, "doccano", ImportOptions("ann", now=AFTER)).new == 3


def _changed(project: Project, **changes: Any) -> Project:
    return Project(**(vars(project) | changes))


GOOD = exported(queue(ROWS, 2), [label("k0"), label("k1", "ham")])
BAD: dict[str, tuple[Project, type[LabelError], str]] = {
    "unknown row": (_changed(GOOD, tasks=(*GOOD.tasks, Task("k9", {}, {}, (label("k9"),)))), UnknownRow, "'k9'"),
    "eval row": (_changed(GOOD, tasks=(*GOOD.tasks, Task("held", {}, {}, (label("held"),)))), EvalRow, "'held'"),
    "same annotator twice": (
        _changed(GOOD, tasks=(Task("k0", {}, {}, (label("k0"), label("k0", time=NOON + 1))), *GOOD.tasks[1:])),
        RepeatedAnnotator,
        "'ann' labels 'k0' twice",
    ),
    "newer than the cutoff": (
        _changed(GOOD, tasks=(*GOOD.tasks[1:], Task("k0", {}, {}, (label("k0", time=NOON * 2),)))),
        LabelAfterCutoff,
        "wanted at most 2026-11-02T00:00:00Z",
    ),
    "another project": (_changed(GOOD, usecase="penguins"), OtherProject, "of penguins"),
    "other classes": (_changed(GOOD, classes=("spam", "ham")), OtherProject, "import it there"),
}


@pytest.mark.parametrize("tool", FORMATS)
@pytest.mark.parametrize("fault", BAD)
def test_a_label_that_cannot_be_used_is_named_and_nothing_is_imported(tmp_path: Path, fault: str, tool: str) -> None:
    project, kind, message = BAD[fault]
    with pytest.raises(kind, match=message):
        import_file(store(tmp_path), ROWS, write(tmp_path, tool, project), tool, OPTIONS)
    assert not list(folder_of(tmp_path, "spam").glob("*.jsonl"))


@pytest.mark.parametrize("tool", FORMATS)
def test_a_label_outside_the_domain_is_named(tmp_path: Path, tool: str) -> None:
    file = write(tmp_path, tool, exported(queue(ROWS), [label("k0")]))
    tampered = file.read_text().replace('["spam"]', '["eggs"]').replace('[\n         "spam"', '[\n         "eggs"')
    if tool == "label-studio":
        tasks = json.loads(tampered)
        tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["eggs"]
        tampered = json.dumps(tasks)
    file.write_text(tampered)
    with pytest.raises(LabelOutsideDomain, match="wanted one of 'ham', 'spam', got 'eggs'"):
        import_file(store(tmp_path), ROWS, file, tool, OPTIONS)
    assert not list(folder_of(tmp_path, "spam").glob("*.jsonl"))


@pytest.mark.parametrize("tool", FORMATS)
@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"data": 3}', "null", '[{"data": {"text": "x"}}]', '{"text": "x"}']
)
def test_any_other_file_is_an_error_of_labels(tmp_path: Path, tool: str, content: str) -> None:
    (tmp_path / "f").write_text(content)
    with pytest.raises(LabelError, match=r"^f"):
        import_file(store(tmp_path), ROWS, tmp_path / "f", tool, OPTIONS)


def test_a_process_that_dies_while_it_imports_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "prodigy", GOOD)

    def died(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(durable, "write", died)
        import_file(store(tmp_path), ROWS, file, "prodigy", OPTIONS)
    assert list(labels(folder_of(tmp_path, "spam"))) == []
    assert import_file(store(tmp_path), ROWS, file, "prodigy", OPTIONS).new == 2


def test_an_unknown_tool_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'doccano'"):
        format_of("docanno")


def write(folder: Path, tool: str, project: Project) -> Path:
    path = folder / f"export{format_of(tool).suffix}"
    path.write_text(format_of(tool).dump(project), encoding="utf-8")
    return path


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder_of(root, "spam").iterdir()}
