"""What a run is: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any


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
    failed_outputs: Path | None = None
    """Where the outputs of a failed attempt are kept for inspection; they are not artifacts."""
    inputs: Values = field(default_factory=Values)
    outputs: Values = field(default_factory=Values)


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

    def task(self, name: str) -> TaskRun:
        """Return the task of a full path or, where it is unique, a short name; KeyError otherwise."""
        found = [task for task in self.tasks if name in (task.path, task.name)]
        exact = [task for task in found if task.path == name]
        if len(found) != 1 and len(exact) != 1:
            raise KeyError(
                f"{name!r} names {len(found)} tasks; the tasks are {', '.join(task.path for task in self.tasks)}"
            )
        return (exact or found)[0]


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs."""

    run_id: str
    pipeline: str
    state: State
    started: datetime
    seconds: float
