"""What labeling tools exchange: tasks with their features, suggestions and labels, whatever the tool's format."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from artifacts.labels.errors import LabelOutsideDomain, MalformedLabel, OtherProject
from artifacts.labels.reader import Label, Value
from artifacts.outcomes.reader import time_us, written

ABOUT = "mlops"
"""The key of a task's object that a tool keeps as it is."""


@dataclass(frozen=True)
class Task:
    """A row to label, or one that was labeled."""

    key: str
    features: dict[str, Any]
    suggestion: dict[str, float] = field(default_factory=dict)
    """Probability of each class."""
    labels: tuple[Label, ...] = ()

    @property
    def text(self) -> str:
        """What a tool shows: the only text, or all features line by line."""
        texts = [value for value in self.features.values() if isinstance(value, str)]
        if len(self.features) == 1 and texts:
            return texts[0]
        return "\n".join(f"{name}: {value}" for name, value in self.features.items())

    @property
    def best(self) -> str:
        """The most probable class, as text; empty where there is no suggestion."""
        return max(self.suggestion, key=lambda one: self.suggestion[one]) if self.suggestion else ""


@dataclass(frozen=True)
class Project:
    """Tasks of one use case."""

    usecase: str
    label: str
    classes: tuple[Value, ...]
    tasks: tuple[Task, ...]

    def about(self, task: Task) -> dict[str, Any]:
        """Return what a tool keeps of a task, so that its answer finds back to the row."""
        return {
            "usecase": self.usecase,
            "label": self.label,
            "classes": list(self.classes),
            "key": task.key,
            "features": task.features,
            "suggestion": task.suggestion,
        }


@dataclass(frozen=True)
class Answer:
    """What a tool's file says of one annotation."""

    label: Any
    """As the tool has it: a class's text, or a number's."""
    annotator: str
    time: str
    """RFC 3339."""
    source: str
    where: str


@dataclass(frozen=True)
class Defaults:
    """For what a tool's file does not say."""

    annotator: str = ""
    time: str = ""
    source: str = ""
    classes: tuple[Value, ...] = ()
    """Those of the use case, for a file without any task."""


class ProjectBuilder:
    """Collects tasks of a file; raises OtherProject, MalformedLabel or LabelOutsideDomain with file and place."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._project: Project | None = None
        self._tasks: dict[str, Task] = {}

    def add(self, about: Any, where: str, answers: Sequence[Answer]) -> None:
        """Add the annotations of a task; a task may come in several pieces."""
        head = _head(about, where)
        if self._project is None:
            self._project = head
        elif (head.usecase, head.label, head.classes) != (
            self._project.usecase,
            self._project.label,
            self._project.classes,
        ):
            raise OtherProject(f"{where}: wanted a task of {self._project.usecase}, got one of {head.usecase}")
        (task,) = head.tasks
        before = self._tasks.get(task.key, task)
        labels = (*before.labels, *(self._label(task.key, one) for one in answers))
        self._tasks[task.key] = Task(task.key, before.features, before.suggestion, labels)

    def finish(self, name: str) -> Project:
        """Return the project; MalformedLabel for a file without a task."""
        if self._project is None:
            raise MalformedLabel(f"{name}: wanted tasks that `mlops label export` wrote, got none")
        first = self._project
        return Project(first.usecase, first.label, first.classes, tuple(self._tasks.values()))

    def _label(self, key: str, answer: Answer) -> Label:
        assert self._project is not None
        annotator = answer.annotator or self._defaults.annotator
        if not annotator:
            raise MalformedLabel(f"{answer.where}: wanted who labeled {key!r:.80}, got nothing; name them: --annotator")
        try:
            time = time_us(answer.time or self._defaults.time)
        except (ValueError, OverflowError) as error:
            raise MalformedLabel(f"{answer.where}: time: {error}") from None
        source = answer.source or self._defaults.source
        value = _value(answer.label, self._project.classes, answer.where)
        return Label(key, value, annotator, time, source, answer.where)


def time_of(label: Label) -> str:
    """Return a label's time as RFC 3339."""
    return written(label.time_us)


def _value(label: Any, classes: tuple[Value, ...], where: str) -> Value:
    """Return the class that a tool's text stands for."""
    for one in classes:
        if label == one or label == str(one):
            return one
    raise LabelOutsideDomain(
        f"{where}: wanted one of {', '.join(map(repr, classes))}, got {label!r:.80}; correct the tool's classes"
    )


def _head(about: Any, where: str) -> Project:
    """Return what a task says of its project, with that task."""
    wanted = {"usecase": str, "label": str, "classes": list, "key": str, "features": dict, "suggestion": dict}
    if not isinstance(about, dict):
        raise OtherProject(f"{where}: wanted a task that `mlops label export` wrote, got one without {ABOUT!r}")
    for name, kind in wanted.items():
        if not isinstance(about.get(name), kind):
            raise MalformedLabel(f"{where}: {ABOUT}.{name}: wanted {kind.__name__}, got {about.get(name)!r:.80}")
    task = Task(about["key"], about["features"], about["suggestion"])
    return Project(about["usecase"], about["label"], tuple(about["classes"]), (task,))
