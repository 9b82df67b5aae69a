"""The interface of all worlds, used by the command line, schedules and tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from core.errors import UsageError
from core.store import Store
from mlops.runs.events import Event
from mlops.runs.record import Run
from mlops.runs.submission import Submission
from pipelines.config import UseCase

if TYPE_CHECKING:
    from localrun import Hosts

RequestedSpan = int | str | None
"""The span of a run: a number, a date, `newest`, or None for the one that the use case names."""
Watcher = Callable[[Event], None]
"""Takes a run's events as they happen; must return quickly."""


class UnsupportedByWorld(UsageError):
    """This world cannot do what was asked; the message names another way."""


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
    keeps_workers: bool = False
    """Whether the laptop's warm workers wait for the next command, as far as MLOPS_WARM allows it."""
    hosts: "Hosts | None" = None
    """The laptop's workers, where their imports have begun already."""


@dataclass(frozen=True)
class RunRequest:
    """The run to submit."""

    usecase: UseCase
    pipeline: str = "level1"
    span: RequestedSpan = None
    cache: bool = True
    """Whether cached results are used."""
    version: int | None = None
    """Model version of a pipeline that predicts; None: what the configuration says, or the one in production."""
    trigger: str = ""
    """Key of the decision that asks for it (see `mlops.triggers`); empty: a person does."""
    as_of: str = ""
    """Of a monitoring pipeline: what was logged or became known later does not count; empty: now."""
    compiled: Path | None = None
    """The file of a release, to run instead of what the sources compile to."""
    release: str = ""
    """Id of that release."""
    server_metrics: str = ""
    """Of a monitoring pipeline: a file or an address with the server's metrics; empty: they are not measured."""


@dataclass(frozen=True)
class Pinned:
    """A compiled pipeline and its parameters: together they decide the result of a run."""

    pipeline: Path
    parameters: dict[str, Any]
    code: str
    """Digest of the code that the steps can run."""


@dataclass(frozen=True)
class Submitted:
    """A run that a world has accepted."""

    run_id: str
    folder: Path
    """The run's folder on this machine: the compiled pipeline, the submission, and at the end the report."""
    is_repeat: bool = False
    """Whether the world had accepted the same submission before."""


@dataclass(frozen=True)
class Recurring:
    """One schedule of a world."""

    id: str
    name: str
    cron: str
    """Five fields, UTC."""
    enabled: bool


@dataclass(frozen=True)
class Applied:
    """What `Schedules.apply` changed."""

    created: tuple[Recurring, ...] = ()
    unchanged: tuple[Recurring, ...] = ()
    removed: tuple[Recurring, ...] = ()


class Schedules(Protocol):
    """This project's schedules in a world."""

    def apply(self, usecase: UseCase) -> Applied:
        """Make the schedules of a use case what its configuration says; a second call changes nothing.

        New ones are created before old ones are removed. Raises UsageError for a use case without schedules.
        """

    def of(self, usecase: str = "") -> list[Recurring]:
        """Return the schedules of a use case, or of all."""

    def delete(self, usecase: str) -> list[Recurring]:
        """Remove the schedules of a use case and return them; runs that have started go on."""


class World(Protocol):
    """A place where compiled pipelines run, with its data and models; a context manager that closes its connections.

    All methods raise UnsupportedByWorld for what the world cannot do, and MlopsError when it does not answer. Methods
    with a run id raise MlopsError for a run that this store did not submit, UsageError for one of another world.
    """

    name: str
    """Its key in the table of worlds."""
    finds_runs_of_others: bool
    """Whether `started_by` finds runs that another machine submitted."""

    def __enter__(self) -> Self:
        """Return the world itself."""

    def __exit__(self, *_: object) -> None:
        """Close its connections and processes."""

    @property
    def store(self) -> Store:
        """This machine's store, with the data and models of this world."""

    def pin(self, request: RunRequest) -> Pinned:
        """Fix what a run would depend on now, without submitting it."""

    def submit(self, request: RunRequest) -> Submitted:
        """Pin a run (see `mlops.worlds.pinned`), submit it, and keep the submission in the store's `runs`.

        A request with a `trigger` that was submitted before returns that run.
        """

    def started_by(self, trigger: str) -> str:
        """Return the run that was submitted with this `trigger`; empty: there is none."""

    def follow(self, run_id: str, watcher: Watcher, deadline: float | None = None) -> Run:
        """Wait for the end of a run and return its record; at once when it has ended already.

        Raises MlopsError when the deadline, in seconds, passes; the run can be followed again.
        """

    def result(self, run_id: str) -> Run:
        """Return the record of a run as it is now."""

    def cancel(self, run_id: str) -> None:
        """Ask for the cancellation of a run and return; its state becomes CANCELLED later.

        Raises MlopsError for a run that has ended.
        """

    def resume(self, run_id: str) -> None:
        """Make a run that failed, was cancelled or interrupted ready to `follow`; finished tasks do not run again."""

    @property
    def schedules(self) -> Schedules:
        """This project's schedules."""
