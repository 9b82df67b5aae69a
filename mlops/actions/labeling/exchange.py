"""Exports a queue with what was labeled to a labeling tool, and imports the tool's answers, all of them or none."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from artifacts.labels.errors import MalformedLabel, OtherProject, RepeatedAnnotator
from artifacts.labels.files import folder_of, labels
from artifacts.labels.names import SUFFIX
from artifacts.labels.reader import Label, accepted, check
from artifacts.outcomes.reader import time_us
from core import digest, durable
from core.errors import UsageError
from core.store import Store
from mlops.actions.labeling.formats import format_of
from mlops.actions.labeling.project import Defaults, Project, Task
from mlops.actions.labeling.queue import Queue, check_row
from mlops.actions.labeling.rows import Rows

LOCK = ".lock"


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    labels: int
    """How many labels the file has."""
    new: int
    """How many of them were not there before."""
    file: Path | None
    """The label file that was written; None when nothing was new."""


def exported(queue: Queue, given: list[Label]) -> Project:
    """Return a queue's rows with the labels that they have, as a project."""
    of_row: dict[str, list[Label]] = {}
    for label in accepted(given).labels:
        of_row.setdefault(label.key, []).append(label)
    tasks = [Task(row.key, row.features, row.suggestion, tuple(of_row.get(row.key, ()))) for row in queue.rows]
    return Project(queue.usecase, queue.label, queue.classes, tuple(tasks))


def import_file(store: Store, rows: Rows, path: Path, tool: str, options: "ImportOptions") -> Imported:
    """Write the labels of a tool's file that are new as one label file, atomically.

    Nothing is written unless every label can be used; a label that the same annotator gave before is not written
    again. Raises LabelError, of a kind for each reason, with file and place.
    """
    defaults = Defaults(options.annotator, options.now, tool, rows.classes)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise MalformedLabel(f"{path}: wanted UTF-8, got {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: wanted a file of {tool}, got {error.strerror}; correct the path") from None
    project = format_of(tool).load(text, path.name, defaults)
    if (project.usecase, project.label, project.classes) != (rows.usecase, rows.label, rows.classes):
        raise OtherProject(
            f"{path.name}: wanted labels {rows.label!r} of {rows.usecase} with the classes {list(rows.classes)}, "
            f"got {project.label!r} of {project.usecase} with {list(project.classes)}; import it there"
        )
    found = _checked(project, rows, time_us(options.until or options.now))
    folder = folder_of(store.root, rows.usecase)
    folder.mkdir(parents=True, exist_ok=True)
    with durable.locked(folder / LOCK):
        before = accepted(labels(folder)).labels
        known = {(one.key, one.annotator): one for one in before}
        new = [one for one in found if _is_new(one, known.get((one.key, one.annotator)))]
        if not new:
            return Imported(len(found), 0, None)
        accepted([*before, *new])
        return Imported(len(found), len(new), _write(folder, tool, new))


@dataclass(frozen=True)
class ImportOptions:
    """For what a tool's file does not say, and what it may not say."""

    annotator: str = ""
    until: str = ""
    """RFC 3339; a label that is newer is an error; empty: now."""
    now: str = ""

    @classmethod
    def at_present(cls, annotator: str = "", until: str = "") -> "ImportOptions":
        """Return options for an import now."""
        return cls(annotator, until, datetime.now(UTC).isoformat())


def _checked(project: Project, rows: Rows, until: int) -> list[Label]:
    """Return the labels of a project; raises LabelError for the first one that cannot be used."""
    found: list[Label] = []
    for task in project.tasks:
        seen: dict[str, Label] = {}
        check_row(task.key, rows, task.labels[0].where if task.labels else "an unlabeled task")
        for label in task.labels:
            check(label, rows.by_key.keys(), rows.classes, until)
            before = seen.setdefault(label.annotator, label)
            if before is not label:
                raise RepeatedAnnotator(
                    f"{label.where}: {label.annotator!r} labels {label.key!r:.80} twice, the first time in "
                    f"{before.where}; remove one of the annotations"
                )
            found.append(label)
    return found


def _is_new(label: Label, before: Label | None) -> bool:
    return before is None or (label.label != before.label and label.time_us > before.time_us)


def _write(folder: Path, tool: str, new: list[Label]) -> Path:
    lines = b"".join(label.as_json() for label in sorted(new))
    path = folder / f"{tool}-{digest.of_bytes(lines).removeprefix('sha256:')[:16]}{SUFFIX}"
    durable.replace(path, lines)
    return path
