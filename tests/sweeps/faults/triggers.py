"""A fact that is delivered to a handler, decided about, and starts a run."""

import sqlite3
from contextlib import closing
from pathlib import Path

from mlops.triggers.storage import log
from pipelines.triggers import Trigger
from tests.sweeps.faults.child import Seen
from tests.unit.triggers.conftest import Rules, Station


class Delivery:
    """Afterwards the fact, delivered again unless it was acknowledged, has one decision and one run."""

    def __init__(self, folder: Path, seen: Seen) -> None:
        folder.mkdir(parents=True)
        self._folder, self._seen = folder, seen
        self._station()  # makes the journal

    def _station(self) -> Station:
        station = Station(self._folder, rules=Rules({"flights": Trigger()}))
        station.launcher.is_shared = True  # a run is one file, which cannot be half started
        return station

    def act(self) -> None:
        """Take a fact and see its run to the end."""
        station = self._station()
        station.take("a")
        self._seen.note()
        station.work()

    def problems(self) -> list[str]:
        """Let another handler go on, which gets the delivery again unless it was acknowledged."""
        station = self._station()
        station.now += log.TURN_SECONDS
        if not self._seen.has():
            station.take("a")
        station.work()
        found = []
        if station.states() != ["done"]:
            found.append(f"decisions {station.states()}, wanted one that is done")
        if len(station.launcher.starts) != 1:
            found.append(f"{len(station.launcher.starts)} runs, wanted 1")
        with closing(sqlite3.connect(self._folder / "triggers" / "journal.sqlite")) as journal:
            integrity = journal.execute("PRAGMA integrity_check").fetchone()[0]
        return found if integrity == "ok" else [*found, f"the journal is damaged: {integrity}"]
