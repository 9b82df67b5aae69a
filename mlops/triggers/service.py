"""A handler put together: the journal of a store, the dispatcher of a world, and the threads that serve and watch."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.json_lines import JsonLines
from core.store import Store
from mlops.triggers.dead_letters import DeadLetters
from mlops.triggers.dispatcher import Dispatcher
from mlops.triggers.handler import Handler, Rejected
from mlops.triggers.journal import Journal
from mlops.triggers.launcher import WorldLauncher
from mlops.triggers.permitted import Configured
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

    @property
    def path(self) -> Path:
        """The file of the store's journal, which need not be there yet."""
        return self.store.root / "triggers" / "journal.sqlite"

    @property
    def journal(self) -> Journal:
        """The store's journal."""
        return Journal(self.path)

    @property
    def dead(self) -> DeadLetters:
        """The store's dead letters."""
        return DeadLetters(self.store.root / "triggers" / "dead")

    @property
    def handler(self) -> Handler:
        """Takes events into the journal."""
        return Handler(self.journal, self.dead, Configured(self.folders), self.clock)

    def dispatcher(self, world: World) -> Dispatcher:
        """Turns facts into runs of a world."""
        launcher = WorldLauncher(world, self.folders, lambda _: None)
        return Dispatcher(self.journal, self.dead, Configured(self.folders), launcher, self.clock)

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
