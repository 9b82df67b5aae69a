"""The events of a run, for displays of its progress."""

from dataclasses import dataclass
from pathlib import Path

from mlops.runs.record import Run, Task


@dataclass(frozen=True)
class RunStarted:
    """A run started, or is followed from now on; `tasks` are those that are known."""

    run_id: str
    pipeline: str
    folder: Path
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class WorkerStarting:
    """A warm process started its imports."""

    image: str


@dataclass(frozen=True)
class WorkerReady:
    """A warm process has finished its imports."""

    image: str
    seconds: float
    """Duration of the imports."""


@dataclass(frozen=True)
class TaskChanged:
    """A task has a new state, or was not known before."""

    task: Task


@dataclass(frozen=True)
class TaskRetrying:
    """An attempt failed; the next one starts after `delay` seconds."""

    task: Task
    delay: float


@dataclass(frozen=True)
class Noted:
    """What a person should know although nothing failed, such as a result that cannot be used again."""

    text: str


@dataclass(frozen=True)
class RunEnded:
    """A run has ended."""

    run: Run


Event = RunStarted | WorkerStarting | WorkerReady | TaskChanged | TaskRetrying | Noted | RunEnded
