"""A handler put together: the journal of a store, the dispatcher of a world, and the threads that serve and watch."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.errors import UsageError
from core.json_lines import JsonLines
from core.store import Store
from mlops.triggers.dispatcher import Dispatcher
from mlops.triggers.handler import Handler, Rejected
from mlops.triggers.journal import Journal
from mlops.triggers.launcher import WorldLauncher
from mlops.triggers.permitted import Configured
from mlops.triggers.storage.file import FileStorage
from mlops.triggers.storage.log import LogStorage
from mlops.triggers.storage.protocol import Storage
from mlops.triggers.submitter import Submitter
from mlops.triggers.watcher import Watcher
from mlops.triggers.worker import Worker
from mlops.worlds.world import World

_LOG = logging.getLogger("mlops.triggers")


@dataclass(frozen=True)
class Triggers:
    """The triggers of one store."""

    store: Store
    folders: dict[str, Path]
    """Folders of the use cases that may be run, by name."""
    clock: Callable[[], float] = time.time
    address: str = ""
    """Folder in an object store where the journal lies; empty: in the store's own folder."""

    @property
    def path(self) -> Path:
        """The file of the store's own journal, which need not be there yet."""
        return self.store.root / "triggers" / "journal.sqlite"

    @cached_property
    def journal(self) -> Journal:
        """The journal."""
        storage: Storage = LogStorage(self.address, self.clock) if self.address else FileStorage(self.path)
        return Journal(storage)

    @property
    def handler(self) -> Handler:
        """Takes events into the journal."""
        return Handler(self.journal, Configured(self.folders), self.clock)

    def dispatcher(self, world: World) -> Dispatcher:
        """Turns facts into runs of a world, and follows them where the journal is on this machine."""
        launcher = WorldLauncher(world, self.folders, lambda _: None)
        return Dispatcher(self.journal, Configured(self.folders), launcher, self.clock, follows=not self.address)

    def submitter(self, world: World) -> Submitter:
        """Submits the run of a delivery before the delivery is answered.

        Raises UsageError for a world whose runs only the machine knows that submitted them.
        """
        if not world.finds_runs_of_others:
            raise UsageError(
                f"--journal: runs at {world.name} are found again on this machine's disk only; leave it out"
            )
        return Submitter(self.dispatcher(world))

    def watching(self) -> Callable[[], bool]:
        """Return a round of the watcher: what it finds goes through the handler as from any other source."""
        watcher, handler = Watcher(self.store, self.journal, self.folders), self.handler

        def round_() -> bool:
            for event in watcher.facts(self.clock()):
                try:
                    taken = handler.take(event)
                except Rejected as error:
                    _LOG.error("%s", error)
                    continue
                if taken.is_new and taken.fact is not None:
                    _LOG.info("new fact %s", taken.fact.key)
            return False

        return round_


@contextmanager
def working(
    *rounds: Callable[[], bool],
    pause_seconds: float = 1.0,
    grace_seconds: float | None = None,
    on_left: Callable[[], None] = lambda: None,
) -> Iterator[list[Worker]]:
    """Let a thread do each kind of round while the block runs; it ends when the rounds that have begun have ended.

    After `grace_seconds` a round is left, whose thread ends with the process, and `on_left` is called.
    """
    workers = [Worker(round_, pause_seconds) for round_ in rounds]
    threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()
        until = None if grace_seconds is None else time.monotonic() + grace_seconds
        for thread in threads:
            thread.join(None if until is None else max(until - time.monotonic(), 0.0))
        if any(thread.is_alive() for thread in threads):
            on_left()


def log_to_stderr(*, as_json: bool) -> None:
    """Write what triggers do to stderr, as text or as JSON lines."""
    stream = logging.StreamHandler()
    stream.setFormatter(JsonLines() if as_json else logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    _LOG.addHandler(stream)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
