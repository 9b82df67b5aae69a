"""The files of labeling tools: Label Studio's task JSON, and the JSON lines of doccano and of Prodigy."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from artifacts.labels.errors import MalformedLabel
from artifacts.labels.reader import Label
from core.errors import UsageError, did_you_mean
from mlops.actions.labeling.project import ABOUT, Answer, Defaults, Project, ProjectBuilder, Task, time_of

_CONTROL, _OBJECT = "label", "text"
"""The names of the control and of the object in Label Studio's labeling configuration."""


@dataclass(frozen=True)
class Format:
    """How a tool's file is written and read."""

    suffix: str
    dump: Callable[[Project], str]
    load: Callable[[str, str, Defaults], Project]
    """Takes content, the file's name and defaults; raises LabelError with file and place."""


def format_of(name: str) -> Format:
    """Return a tool's format; UsageError for an unknown tool."""
    if name not in FORMATS:
        raise UsageError(f"--format: wanted one of {', '.join(FORMATS)}, got {name!r}{did_you_mean(name, FORMATS)}")
    return FORMATS[name]


def _dump_label_studio(project: Project) -> str:
    """Write tasks with pre-annotations; the labeling configuration needs a Choices `label` for a Text `text`."""
    tasks = []
    for number, task in enumerate(project.tasks, 1):
        made: dict[str, Any] = {"id": number, "data": {"text": task.text, ABOUT: project.about(task)}}
        made["predictions"] = _predictions(task)
        made["annotations"] = [_annotation(label) for label in task.labels]
        tasks.append(made)
    return json.dumps(tasks, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _predictions(task: Task) -> list[dict[str, Any]]:
    if not task.best:
        return []
    return [{"model_version": ABOUT, "score": task.suggestion[task.best], "result": [_choice(task.best)]}]


def _annotation(label: Label) -> dict[str, Any]:
    return {
        "completed_by": {"email": label.annotator},
        "created_at": time_of(label),
        "meta": {"source": label.source},
        "result": [_choice(str(label.label))],
    }


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": _CONTROL, "to_name": _OBJECT, "type": "choices", "value": {"choices": [label]}}


def _load_label_studio(text: str, name: str, defaults: Defaults) -> Project:
    builder = ProjectBuilder(defaults)
    for number, task in enumerate(_list(_json(text, name), name), 1):
        where = f"{name}: task {number}"
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise MalformedLabel(f"{where}: wanted an object with `data`, got {task!r:.80}")
        given = [one for one in _list(task.get("annotations") or [], where) if not one.get("was_cancelled")]
        builder.add(task["data"].get(ABOUT), where, [one for annotation in given for one in _chosen(annotation, where)])
    return builder.finish(name)


def _chosen(annotation: dict[str, Any], where: str) -> Iterator[Answer]:
    """Yield the choice of an annotation; one without a choice was skipped."""
    by = annotation.get("completed_by")
    annotator = str(by.get("email") or by.get("id") or "") if isinstance(by, dict) else str(by or "")
    choices = [
        one["value"]["choices"] for one in annotation.get("result") or [] if "choices" in (one.get("value") or {})
    ]
    if not choices:
        return
    if len(choices) != 1 or len(choices[0]) != 1:
        raise MalformedLabel(f"{where}: wanted one choice of {annotator}, got {choices!r:.80}")
    source = (annotation.get("meta") or {}).get("source", "")
    yield Answer(choices[0][0], annotator, str(annotation.get("created_at") or ""), str(source), where)


def _dump_doccano(project: Project) -> str:
    """Write one line for each annotation, and one for each task without; doccano keeps the other keys as metadata."""
    lines = []
    for task in project.tasks:
        head = {"text": task.text, ABOUT: project.about(task)}
        lines += [
            head | {"label": [str(one.label)], "annotator": one.annotator, "time": time_of(one), "source": one.source}
            for one in task.labels
        ] or [head | {"label": []}]
    return _json_lines(lines)


def _load_doccano(text: str, name: str, defaults: Defaults) -> Project:
    builder = ProjectBuilder(defaults)
    for where, line in _lines(text, name):
        annotator, time, source = (str(line.get(key) or "") for key in ("annotator", "time", "source"))
        answers = [Answer(one, annotator, time, source, where) for one in _list(line.get("label") or [], where)]
        if len(answers) > 1:
            raise MalformedLabel(f"{where}: wanted one label, got {line['label']!r:.80}")
        builder.add(line.get(ABOUT), where, answers)
    return builder.finish(name)


def _dump_prodigy(project: Project) -> str:
    """Write tasks of Prodigy's `choice` interface, one line for each annotation, and one for each task without."""
    options = [{"id": str(one), "text": str(one)} for one in project.classes]
    lines = []
    for task in project.tasks:
        head: dict[str, Any] = {"text": task.text, "options": options, "meta": {ABOUT: project.about(task)}}
        unlabeled = head | ({"accept": [task.best]} if task.best else {})
        lines += [
            head
            | {
                "accept": [str(one.label)],
                "answer": "accept",
                "_annotator_id": one.annotator,
                "_timestamp": one.time_us / 1e6,
                "_source": one.source,
            }
            for one in task.labels
        ] or [unlabeled]
    return _json_lines(lines)


def _load_prodigy(text: str, name: str, defaults: Defaults) -> Project:
    builder = ProjectBuilder(defaults)
    for where, line in _lines(text, name):
        answers = []
        if line.get("answer") == "accept":
            chosen = _list(line.get("accept") or [], where)
            if len(chosen) != 1:
                raise MalformedLabel(f"{where}: wanted one accepted option, got {chosen!r:.80}")
            answers = [_prodigy_answer(line, chosen[0], where)]
        builder.add((line.get("meta") or {}).get(ABOUT), where, answers)
    return builder.finish(name)


def _prodigy_answer(line: dict[str, Any], label: Any, where: str) -> Answer:
    annotator = str(line.get("_annotator_id") or line.get("_session_id") or "")
    stamp, time = line.get("_timestamp"), ""
    if isinstance(stamp, int | float) and not isinstance(stamp, bool):
        try:
            time = _at(stamp)
        except (ValueError, OverflowError, OSError):
            raise MalformedLabel(f"{where}: _timestamp: wanted seconds since 1970, got {stamp!r:.80}") from None
    return Answer(label, annotator, time, str(line.get("_source") or ""), where)


def _at(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339, exact to the microsecond."""
    whole, micro = divmod(round(seconds * 1e6), 1_000_000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=micro).isoformat()


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedLabel(f"{where}: wanted JSON, got {error}") from None


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedLabel(f"{where}: wanted a list, got {type(value).__name__}")
    return value


def _lines(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            found = _json(line, f"{name}:{number}")
            if not isinstance(found, dict):
                raise MalformedLabel(f"{name}:{number}: wanted a JSON object, got {type(found).__name__}")
            yield f"{name}:{number}", found


def _json_lines(lines: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(line, ensure_ascii=False, allow_nan=False)}\n" for line in lines)


FORMATS = {
    "label-studio": Format(".json", _dump_label_studio, _load_label_studio),
    "doccano": Format(".jsonl", _dump_doccano, _load_doccano),
    "prodigy": Format(".jsonl", _dump_prodigy, _load_prodigy),
}
"""Tool -> its format."""
