"""The record of a run: frozen values that every world translates its own records into."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlops.runs.submission import Submission


class State(StrEnum):
    """The state of a task or of a run."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    """Of a task: the branch it is in was not taken."""
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    """Of a task: never started, because a task that it needs failed."""
    CANCELLED = "CANCELLED"
    INTERRUPTED = "INTERRUPTED"
    """Of a run: it has not ended, but no process executes it."""

    @property
    def is_final(self) -> bool:
        """Whether the state stays as it is unless a person resumes the run."""
        return self not in (State.PENDING, State.RUNNING, State.INTERRUPTED)


@dataclass(frozen=True)
class Artifact:
    """An input or output of a task."""

    type: str
    """Such as `system.Model`."""
    uri: str
    """A path on this machine, or an address such as `s3://bucket/key`."""
    digest: str = ""
    """Digest of the content; empty when it is not known."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The path of an artifact on this machine."""
        return Path(self.uri)


@dataclass(frozen=True)
class Task:
    """One task of one run; a loop has a task per iteration."""

    path: str
    """Full name with the groups it is in: `condition-1/push-model`, or `for-loop-1[2]/train-model` in a loop's third
    iteration."""
    stage: str
    """The component's function, such as `train_model`; empty for a plain command or an importer."""
    state: State = State.PENDING
    cached: bool = False
    seconds: float = 0.0
    """Wall time of the last attempt."""
    max_rss_bytes: int = 0
    """Peak memory of the last attempt; 0 where it is not known."""
    attempts: int = 0
    error: str = ""
    execution: str = ""
    """Id of the execution that made the outputs; when cached, one of an earlier run."""
    started: datetime | None = None
    log: Path | None = None
    failed_outputs: Path | None = None
    """Folder with the files that a failed attempt wrote; they are no artifacts."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The path's last part, such as `push-model`."""
        return self.path.rpartition("/")[2]

    def output_file(self, name: str) -> Path | None:
        """Return the file of an output, or what the last attempt of a failed task wrote; None when there is no file."""
        artifact = self.outputs.get(name)
        path = artifact.path if artifact else (self.failed_outputs / name if self.failed_outputs else None)
        return path if path is not None and path.is_file() else None


@dataclass(frozen=True)
class Run:
    """One run of a pipeline, with the tasks that are known."""

    run_id: str
    pipeline: str
    """Name of the compiled pipeline, such as `flight-delay-level1`."""
    submission: Submission
    state: State
    parameters: Mapping[str, Any]
    started: datetime
    seconds: float
    folder: Path
    """The run's folder on this machine: the compiled pipeline, logs, report."""
    error: str = ""
    tasks: tuple[Task, ...] = ()

    def artifact(self, stage: str, output: str) -> Artifact | None:
        """Return an output of the first succeeded task of a stage that has it; None when there is none."""
        for task in self.tasks:
            if task.stage == stage and task.state is State.SUCCEEDED and output in task.outputs:
                return task.outputs[output]
        return None
