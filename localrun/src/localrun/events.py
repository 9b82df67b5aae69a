"""What happens in a run, as it happens, for progress displays."""

from dataclasses import dataclass
from pathlib import Path

from localrun.records import Run, TaskRun


@dataclass(frozen=True)
class RunStarted:
    """The run has its id and folder; `tasks` are all tasks it may come to."""

    run_id: str
    pipeline: str
    folder: Path
    tasks: tuple[TaskRun, ...]


@dataclass(frozen=True)
class HostStarting:
    """A warm process begins its imports."""

    image: str


@dataclass(frozen=True)
class HostReady:
    """A warm process has imported everything and forks from now on."""

    image: str
    seconds: float


@dataclass(frozen=True)
class TaskChanged:
    """A task has a new state; `task` is all that is known of it."""

    task: TaskRun


@dataclass(frozen=True)
class TaskRetrying:
    """An attempt failed and another will follow after `delay` seconds."""

    task: TaskRun
    delay: float


@dataclass(frozen=True)
class Noted:
    """What a person should know although nothing failed: a result that is not cached, something that was accepted."""

    text: str


@dataclass(frozen=True)
class RunFinished:
    """The run has come to its end."""

    run: Run


Event = RunStarted | HostStarting | HostReady | TaskChanged | TaskRetrying | Noted | RunFinished
