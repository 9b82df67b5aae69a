"""What a run is: plain frozen values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Any, Self

from localrun import markup
from localrun.errors import RunFailed

_SHOWN = 50
"""Tasks that a notebook shows of a run."""


class State(StrEnum):
    """Where a task or a run stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    """Its branch was not taken."""
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    """Never started: something it needs failed."""
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"
    """Only of a run: its runner died; `resume` goes on."""


@dataclass(frozen=True)
class Artifact:
    """One artifact: where it is, what it is, and which execution made it."""

    name: str
    type: str
    version: str
    uri: str
    digest: str
    """Digest of the content; empty where the content is not on this machine."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    producer: str = ""
    """Id of the execution that made it."""

    @property
    def path(self) -> Path:
        """Where the content is on this machine."""
        return Path(self.uri)


@dataclass(frozen=True)
class Values:
    """Parameters and artifacts by name, of an input or an output side."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    lists: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Several artifacts of one name, such as those collected from a loop."""

    def every_artifact(self) -> dict[str, Artifact]:
        """Return all artifacts, those of lists as `name[0]`, `name[1]`..."""
        inside = {
            f"{name}[{index}]": artifact for name, listed in self.lists.items() for index, artifact in enumerate(listed)
        }
        return {**self.artifacts, **inside}


@dataclass(frozen=True)
class TaskRun:
    """One task of one run."""

    path: str
    """Full name with its groups: `condition-1/push-model`; `for-loop-1[3]/train` in the fourth iteration of a loop."""
    name: str
    """Short name, such as `push-model`."""
    component: str
    function: str
    """Name of the component's function; empty for a plain command or an importer."""
    image: str = ""
    state: State = State.PENDING
    cached: bool = False
    seconds: float = 0.0
    """Wall time of the last attempt, start of its process to end."""
    max_rss_bytes: int = 0
    attempts: int = 0
    error: str = ""
    execution: str = ""
    """Id of the execution that made the outputs; of an earlier run when cached."""
    started: datetime | None = None
    finished: datetime | None = None
    log: Path | None = None
    not_cached: str = ""
    """Why the result will not be used again; empty where it will, or where nobody wants it to."""
    failed_outputs: Path | None = None
    """Where the outputs of a failed attempt are kept for inspection; they are not artifacts."""
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)

    @property
    def log_text(self) -> str:
        """What the last attempt printed; empty for a task that did not run."""
        if self.log is None or not self.log.is_file():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True)
class Run:
    """One run of a pipeline with all its tasks."""

    run_id: str
    pipeline: str
    state: State
    parameters: Mapping[str, Any]
    started: datetime
    seconds: float
    folder: Path
    error: str = ""
    tasks: tuple[TaskRun, ...] = ()
    outputs: Values = field(default_factory=Values)

    @property
    def first_failed(self) -> TaskRun | None:
        """The task that failed first; None where no task has failed."""
        failed = [task for task in self.tasks if task.state is State.FAILED and task.error]
        return min(failed, key=lambda task: task.finished.timestamp() if task.finished else math.inf, default=None)

    @property
    def first_error(self) -> str:
        """The error that came first, after the path of its task; empty for a run without any."""
        first = self.first_failed
        return f"{first.path}: {first.error}" if first else self.error

    def _repr_html_(self) -> str:
        """What a notebook shows of a run."""
        return "\n".join(
            [
                f"<h4>{escape(self.run_id)}: {markup.coloured(self.state, self.state)}, {self.seconds:.1f} s</h4>",
                f"<pre>{escape(self.first_error)}</pre>" if self.first_error else "",
                markup.table(("output", ""), self._output_rows()) if self._output_rows() else "",
                markup.table(("task", "state", "seconds"), map(_row, self.tasks[:_SHOWN])),
                f"<p>and {len(self.tasks) - _SHOWN} more tasks</p>" if len(self.tasks) > _SHOWN else "",
                f"<p>Everything about it: <code>{escape(str(self.folder / 'run.html'))}</code></p>",
            ]
        )

    def _output_rows(self) -> list[tuple[str, str]]:
        rows = [(escape(name), markup.code(value)) for name, value in self.outputs.parameters.items()]
        artifacts = self.outputs.every_artifact()
        return rows + [(escape(name), f"<code>{escape(a.uri)}</code>") for name, a in artifacts.items()]

    def check(self) -> Self:
        """Return the run itself; RunFailed with the first error when it did not succeed."""
        if self.state is not State.SUCCEEDED:
            raise RunFailed(f"run {self.run_id}: {self.state}: {self.first_error}")
        return self

    def task(self, name: str) -> TaskRun:
        """Return the task of a full path or, where it is unique, a short name; KeyError otherwise."""
        found = [task for task in self.tasks if name in (task.path, task.name)]
        exact = [task for task in found if task.path == name]
        if len(found) != 1 and len(exact) != 1:
            raise KeyError(
                f"{name!r} names {len(found)} tasks; the tasks are {', '.join(task.path for task in self.tasks)}"
            )
        return (exact or found)[0]


def _row(task: TaskRun) -> tuple[str, str, str]:
    state = f"{task.state} (cached)" if task.cached else str(task.state)
    return escape(task.path), markup.coloured(task.state, state), f"{task.seconds:.1f}" if task.seconds else ""


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs."""

    run_id: str
    pipeline: str
    state: State
    started: datetime
    seconds: float
