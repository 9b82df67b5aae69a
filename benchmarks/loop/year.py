"""The replay: month by month requests, labels a week later, the monitor, and what its alarms start."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from artifacts.outcomes.writer import append
from benchmarks.loop.flights import auc, batches, start_of
from benchmarks.loop.services import MODEL, Home, Server, handling, serving, wait_until, watched
from usecases.flight_delay.flights import Flights

DAY_US = 86_400_000_000
LABELS_LATER = 7 * DAY_US
"""How long after a flight its label is known."""


@dataclass(frozen=True)
class Plan:
    """What is replayed."""

    first: int = 5
    """The first month of requests; the first model was trained on the three months before the one before it."""
    last: int = 12
    rows: int = 6_000
    """Flights of a month that are asked about."""
    batch: int = 256
    compare: bool = True
    """Whether a model that is trained anew every month is compared, too."""


@dataclass
class Month:
    """What happened in a month."""

    month: int
    versions: list[int] = field(default_factory=list)
    """That answered."""
    auc: dict[str, float] = field(default_factory=dict)
    """Strategy -> AUC on the month's flights."""
    alarms: list[str] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """Of the triggers: state, cause and reason."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Where the time went from the end of the month's labels to a version that answers."""


@dataclass(frozen=True)
class Replay:
    """One replay in a folder."""

    plan: Plan
    home: Home
    flights: Flights

    @classmethod
    def prepare(cls, plan: Plan, home: Home) -> "Replay":
        """Make the store, with the months that the first model is trained and evaluated on."""
        home.make()
        replay = cls(plan, home, Flights())
        for month in range(max(plan.first - 4, 1), plan.first):
            home.deliver(month, replay.flights.parquet(month))
        return replay

    def run(self) -> list[Month]:
        """Train a first model, replay the months, and compare what other strategies would have answered."""
        say("training the first model")
        self.home.mlops("run", str(self.home.usecase), "--span", str(self.plan.first - 1))
        first = Home(self.home.root / "first", self.home.ports)
        shutil.copytree(self.home.usecase, first.usecase)
        shutil.copytree(self.home.store, first.store, symlinks=True)
        self._set_clock(start_of(self.plan.first))
        with ExitStack() as stack:
            server = stack.enter_context(serving(self.home))
            handler = stack.enter_context(handling(self.home))
            months = [self._month(month, server, handler) for month in self._months()]
        first.clock.write_text(str(start_of(self.plan.first)))
        with serving(first) as server:
            for found in months:
                found.auc["never retrained"] = self._asked(server, found.month)
            if self.plan.compare:
                self._retrain_monthly(first, server, months)
        return months

    def _months(self) -> range:
        return range(self.plan.first, self.plan.last + 1)

    def _month(self, month: int, server: Server, handler: str) -> Month:
        """Ask about a month's flights, deliver their labels, and let monitor and triggers do what they do."""
        found = Month(month)
        content = self.flights.parquet(month)
        scratch = self.home.root / "month.parquet"
        scratch.write_bytes(content)
        found.versions.append(server.version())
        found.auc["triggered"] = self._live(scratch, month, server)
        self.home.deliver(month, content)
        known = {one.number for one in self.home.triggers.journal.decisions(1000)}
        began = time.monotonic()
        as_of = datetime.fromtimestamp((start_of(month + 1) + LABELS_LATER + DAY_US) / 1e6, UTC).isoformat()
        report = watched(self.home, "--as-of", as_of, "--to", handler)
        found.seconds["monitor"] = time.monotonic() - began
        findings = report["findings"] or {"alarms": []}
        found.alarms = [f"{alarm['cause']}: {alarm['rule']}" for alarm in findings["alarms"]]
        if [fact for fact in report["facts"] if fact["new"]]:
            self._follow(found, server, known)
        say(_line(found))
        return found

    def _live(self, path: Path, month: int, server: Server) -> float:
        """Ask about the flights by the server that logs, append their labels, and return the AUC of the answers."""
        labels: list[int] = []
        scores: list[float] = []
        before = server.logged()
        outcomes = []
        for batch in batches(path, month, self.plan.rows, self.plan.batch):
            self._set_clock(batch.time_us)
            scores += server.predict(batch.rows, batch.request_id)
            labels += batch.labels
            known = batch.time_us + LABELS_LATER
            outcomes += [(f"{batch.request_id}/{row}", label, known) for row, label in enumerate(batch.labels)]
        wait_until(lambda: server.logged() - before >= len(labels), "every answer is logged")
        append(self.home.store / "outcomes" / MODEL / f"2013-{month:02}.jsonl", outcomes)
        return auc(np.array(labels), np.array(scores))

    def _asked(self, server: Server, month: int) -> float:
        """Return the AUC on a month's flights of what is in production on another server."""
        scratch = self.home.root / "month.parquet"
        scratch.write_bytes(self.flights.parquet(month))
        labels: list[int] = []
        scores: list[float] = []
        for batch in batches(scratch, month, self.plan.rows, self.plan.batch):
            scores += server.predict(batch.rows, batch.request_id)
            labels += batch.labels
        return auc(np.array(labels), np.array(scores))

    def _follow(self, found: Month, server: Server, known: set[int]) -> None:
        """Wait until the facts are decided about and their runs have ended, and a new version answers."""
        before, began = server.version(), time.monotonic()
        journal = self.home.triggers.journal
        wait_until(lambda: not (journal.waiting() or journal.unfinished()), "the triggers have decided")
        found.seconds["decision and run"] = time.monotonic() - began
        new = [one for one in journal.decisions(1000) if one.number not in known]
        found.decisions = [{key: asdict(one)[key] for key in ("state", "cause", "reason", "run_id")} for one in new]
        pushed = self.home.champion()
        if pushed != before:
            found.seconds["until it answers"] = wait_until(
                partial(_answers_with, server, pushed), "the new version answers"
            )
            found.versions.append(pushed)
        for one in new:
            found.seconds |= self._tasks(one.run_id) if one.run_id and pushed != before else {}

    def _tasks(self, run_id: str) -> dict[str, float]:
        tasks = self.home.mlops("runs", "show", run_id)["tasks"]
        return {f"task {task['name']}": task["seconds"] for task in tasks if not task["cached"] and task["seconds"]}

    def _retrain_monthly(self, home: Home, server: Server, months: Sequence[Month]) -> None:
        """Ask what is in production about each month, and then train as a schedule would."""
        for found in months:
            found.auc["monthly"] = self._asked(server, found.month)
            home.deliver(found.month, self.flights.parquet(found.month))
            if found.month < self.plan.last:
                say(f"month {found.month}: training as a schedule would")
                home.mlops("run", str(home.usecase), "--span", str(found.month), codes=(0, 1, 3))
                wait_until(partial(_answers_with, server, home.champion()), "what is in production answers")

    def _set_clock(self, time_us: int) -> None:
        scratch = self.home.clock.with_suffix(".part")
        scratch.write_text(str(time_us))
        scratch.replace(self.home.clock)


def _answers_with(server: Server, version: int) -> bool:
    return server.version() == version


def say(text: str) -> None:
    """Write a line about the progress."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", file=sys.stderr, flush=True)


def as_json(months: Sequence[Month]) -> list[dict[str, Any]]:
    """Return what happened for a machine."""
    return [asdict(month) for month in months]


def _line(found: Month) -> str:
    alarms = f"; {len(found.alarms)} alarms, such as {found.alarms[0]}" if found.alarms else "; no alarm"
    decided = "".join(f"; {one['cause']}: {one['state']}" for one in found.decisions)
    new = f"; version {found.versions[-1]} answers" if len(found.versions) > 1 else ""
    return f"month {found.month}: AUC {found.auc['triggered']:.3f} by version {found.versions[0]}{alarms}{decided}{new}"


def strategies(months: Sequence[Month]) -> Iterator[str]:
    """Yield the strategies that were compared."""
    yield from dict.fromkeys(name for month in months for name in month.auc)
