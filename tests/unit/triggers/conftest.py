"""A handler whose world is a folder: each run is a file, named by the decision that started it."""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops.triggers.dispatcher import Dispatcher
from mlops.triggers.fact import Fact, event_of
from mlops.triggers.handler import Handler
from mlops.triggers.journal import Journal
from mlops.triggers.launcher import Ended
from mlops.triggers.permitted import NotPermitted
from mlops.triggers.records import DeadLetter, State
from mlops.triggers.storage.file import FileStorage
from mlops.triggers.storage.log import LogStorage
from mlops.triggers.storage.protocol import Storage
from pipelines.triggers import Trigger


@dataclass
class Rules:
    """What the facts of the tests may start, by use case."""

    triggers: dict[str, Trigger] = field(default_factory=dict)

    def trigger(self, fact: Fact) -> Trigger:
        if fact.usecase not in self.triggers:
            raise NotPermitted(f"{fact.usecase} may start nothing")
        return self.triggers[fact.usecase]


@dataclass
class FolderLauncher:
    """Runs that end at once."""

    folder: Path
    contents: dict[str, str] = field(default_factory=dict)
    """The content of each use case's next run; its name and the number of runs where none is given."""
    is_shared: bool = False
    """Whether two handlers at a time may submit the run of a decision, which then is one run."""
    ends: Ended = field(default_factory=lambda: Ended(State.DONE, "pushed"))

    def content(self, usecase: str, trigger: Trigger) -> str:
        return self.contents.get(usecase) or f"{usecase} {os.urandom(8).hex()}"

    def same_run(self, content: str) -> str:
        return ""

    def started_by(self, decision: str) -> str:
        return decision if any((self.folder / name).exists() for name in (decision, f"{decision}.run")) else ""

    def start(self, usecase: str, trigger: Trigger, decision: str) -> str:
        if self.is_shared:
            with suppress(FileExistsError):  # as a world that finds what another handler submitted
                (self.folder / f"{decision}.run").open("x").close()
        else:
            self._start(usecase, decision)
        return decision

    def _start(self, usecase: str, decision: str) -> None:
        with (self.folder / "starts").open("a") as log:
            log.write(f"{decision}\n")
        (self.folder / decision).write_text(usecase)

    def finish(self, run_id: str) -> Ended:
        return self.ends

    def ended(self, run_id: str) -> Ended | None:
        return self.finish(run_id)

    @property
    def starts(self) -> list[str]:
        """The decision of each run that was started, one entry a start."""
        if self.is_shared:
            return [path.stem for path in self.folder.glob("*.run")]
        path = self.folder / "starts"
        return path.read_text().splitlines() if path.exists() else []


@dataclass
class Station:
    """A handler and a dispatcher over one folder, at a time that a test sets."""

    home: Path
    now: float = 1_000_000.0
    rules: Rules = field(default_factory=Rules)
    address: str = ""
    """Where the journal lies in an object store; empty: in the folder."""

    def __post_init__(self) -> None:
        self.launcher = FolderLauncher(self.home, is_shared=bool(self.address))
        self.storage: Storage = (
            LogStorage(self.address, lambda: self.now)
            if self.address
            else FileStorage(self.home / "triggers" / "journal.sqlite")
        )
        self.journal = Journal(self.storage)
        self.handler = Handler(self.journal, self.rules, lambda: self.now)
        self.dispatcher = Dispatcher(
            self.journal, self.rules, self.launcher, lambda: self.now, follows=not self.address
        )

    @property
    def dead(self) -> list[DeadLetter]:
        return self.journal.letters()

    def take(self, id_: str, usecase: str = "flights", cause: str = "manual") -> bool:
        return self.handler.take(
            event_of(cause, usecase, source="/test", id_=id_, now=self.now)  # type: ignore[arg-type]
        ).is_new

    def work(self) -> None:
        """Work until nothing is due."""
        while self.dispatcher.work():
            pass

    def states(self) -> list[str]:
        """The states of all decisions, the oldest first."""
        return [decision.state.value for decision in reversed(self.journal.decisions(10_000))]


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path, rules=Rules({"flights": Trigger()}))
