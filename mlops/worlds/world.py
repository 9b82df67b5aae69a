"""What every world does: the one interface through which the command line, schedules and tests reach all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from core.errors import UsageError
from core.store import Store
from mlops.runs.events import Event
from mlops.runs.record import Run
from mlops.runs.submission import Submission
from pipelines.config import UseCase

RequestedSpan = int | str | None
"""Which data a run is about: a span by number or date, the `newest` there is, or (None) what the use case names."""
Watcher = Callable[[Event], None]
"""Takes a run's events as they happen; must return quickly."""


class UnsupportedByWorld(UsageError):
    """A world cannot do what was asked; the message names the way around."""


def check_world(run_id: str, submission: Submission, world: str) -> None:
    """Raise UsageError for a run of another world."""
    if submission.world != world:
        raise UsageError(f"run {run_id} runs at {submission.world}, not at {world}; leave --at out")


@dataclass(frozen=True)
class WorldContext:
    """What a world is opened with: the store of this machine, and the deployment to use."""

    store: Store
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables."""
    endpoint: str = ""
    """Address of a deployment's API; empty for the local one."""
    in_containers: bool = False
    """Whether the laptop runs every step of a new run in a container of its image."""


@dataclass(frozen=True)
class RunRequest:
    """The run to submit."""

    usecase: UseCase
    pipeline: str = "level1"
    span: RequestedSpan = None
    cache: bool = True
    """Whether cached results are used."""


@dataclass(frozen=True)
class Submitted:
    """A run that a world has accepted."""

    run_id: str
    folder: Path
    """Kept of it on this machine: the compiled pipeline, its submission, and in the end its report."""


@dataclass(frozen=True)
class Recurring:
    """A schedule that a world keeps."""

    id: str
    name: str
    cron: str
    """Five fields, UTC."""
    enabled: bool


@dataclass(frozen=True)
class Applied:
    """What applying the schedules of a use case did."""

    created: tuple[Recurring, ...] = ()
    unchanged: tuple[Recurring, ...] = ()
    removed: tuple[Recurring, ...] = ()


class Schedules(Protocol):
    """The schedules that a world keeps for this project."""

    def apply(self, usecase: UseCase) -> Applied:
        """Make the schedules of a use case what its configuration says; a second call changes nothing.

        New ones are created before old ones are removed. Raises UsageError for a use case without schedules.
        """

    def of(self, usecase: str = "") -> list[Recurring]:
        """Return the schedules of a use case, or of all."""

    def delete(self, usecase: str) -> list[Recurring]:
        """Remove the schedules of a use case and return them; runs that have begun go on."""


class World(Protocol):
    """Where compiled pipelines run, with the data and models there; a context manager, connected while it is open.

    All methods raise UnsupportedByWorld for what the world cannot do, and MlopsError when it cannot be reached. Methods
    that take a run id raise MlopsError for a run that was not submitted from this store.
    """

    name: str
    """Its key in the table of worlds."""

    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(self, *_: object) -> None:
        """Release what it holds."""

    @property
    def store(self) -> Store:
        """This machine's store, with the data and models of this world."""

    def submit(self, request: RunRequest) -> Submitted:
        """Pin a run (see `mlops.worlds.pinned`), have it accepted, and keep its submission in the store's `runs`."""

    def follow(self, run_id: str, watcher: Watcher, deadline: float | None = None) -> Run:
        """Wait for the end of a run; of one that has ended, return the record at once.

        Raises MlopsError when the deadline, in seconds, passes; the run can be followed again then.
        """

    def result(self, run_id: str) -> Run:
        """Return what is known of a run now."""

    def cancel(self, run_id: str) -> None:
        """Ask for the end of a run that has not ended, and return; its state is CANCELLED some time later."""

    def resume(self, run_id: str) -> None:
        """Let a run that failed, was cancelled or interrupted go on; follow it then. Finished tasks do not rerun."""

    @property
    def schedules(self) -> Schedules:
        """The schedules that it keeps."""
