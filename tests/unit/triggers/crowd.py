"""Many deliveries of few facts into racing handlers that are killed: `python -m tests.sweeps facts`.

Each fact ends with one decision, each decision with one run, none is lost and none is made twice. With `--journal` the
handlers have no disk: a delivery is sent again unless the handler acknowledged it.
"""

import os
import random
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from core import objects
from core.errors import MlopsError
from mlops.triggers.fact import event_of
from mlops.triggers.storage import log
from mlops.triggers.submitter import NotSubmitted, Submitter
from pipelines.triggers import Trigger
from tests.unit.triggers.conftest import Rules, Station


@dataclass(frozen=True)
class Crowd:
    """How many of what."""

    facts: int = 500
    deliveries: int = 10_000
    handlers: int = 4
    """Processes at the same time."""
    usecases: int = 8
    kill_every: int = 4
    """One in so many processes is killed at a random instant, so that its batch is delivered again."""
    seed: int = 0
    batch: int = 25
    """Deliveries that one process takes before it ends."""
    journal: str = ""
    """Address of the journal in an object store; empty: in a folder."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    deliveries: int
    kills: int
    decisions: int
    runs: int
    lost: int
    """Facts without a decision."""
    repeated: int
    """Facts with more than one decision, and decisions with more than one run."""
    faults: list[str]


def run(crowd: Crowd, home: Path, progress: Callable[[int, int], None] = lambda *_: None) -> Outcome:
    """Deliver, kill and deliver again; returns what is wrong, and some counts.

    This process opens no journal in an object store before its children have ended: connections do not survive a fork.
    """
    chosen = random.Random(crowd.seed)
    facts = [f"fact-{number}" for number in range(crowd.facts)]
    deliveries = facts + [chosen.choice(facts) for _ in range(crowd.deliveries - crowd.facts)]
    chosen.shuffle(deliveries)
    batches = deque(deliveries[at : at + crowd.batch] for at in range(0, len(deliveries), crowd.batch))
    if not crowd.journal:
        _station(crowd, home)  # makes the file
    running: dict[int, list[str]] = {}
    faults: list[str] = []
    kills = 0
    while batches or running:
        while batches and len(running) < crowd.handlers:
            batch = batches.popleft()
            dies = chosen.randrange(crowd.kill_every) == 0
            running[_start(crowd, home, batch, chosen.random() if dies else None)] = batch
        ended, status = _wait_for_one(running)
        batch = running.pop(ended)
        if os.WIFSIGNALED(status):
            kills += 1
            batches.append(batch)
        elif os.waitstatus_to_exitcode(status):
            faults.append(f"a handler ended with {os.waitstatus_to_exitcode(status)}")
        progress(len(deliveries) - crowd.batch * (len(batches) + len(running)), len(deliveries))
    last = _station(crowd, home)
    last.now += log.TURN_SECONDS  # what the last of those that were killed had is free
    last.work()
    return _outcome(last, facts, Outcome(len(deliveries), kills, 0, 0, 0, 0, faults))


def _station(crowd: Crowd, home: Path) -> Station:
    rules = Rules({f"usecase_{number}": Trigger() for number in range(crowd.usecases)})
    return Station(home, now=time.time(), rules=rules, address=crowd.journal)


def _wait_for_one(running: Iterable[int]) -> tuple[int, int]:
    """Return the id and status of a process that has ended; never one that somebody else started."""
    while True:
        for process in running:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return ended, status
        time.sleep(0.005)


def _start(crowd: Crowd, home: Path, batch: list[str], dies: float | None) -> int:
    """Take a batch in a process of its own, which dies early (0) or late (1) in it."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if dies is not None and crowd.journal:
            _die_at_call(1 + int(dies * 10 * len(batch)))
        elif dies is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0.4 * dies or 0.01)  # the alarm's default action ends the process
        station = _station(crowd, home)
        left = deque(batch)
        while left:
            id_ = left.popleft()
            if not _is_acknowledged(station, id_, f"usecase_{int(id_.partition('-')[2]) % crowd.usecases}"):
                left.append(id_)
        code = 0
    except MlopsError as error:
        sys.stderr.write(f"{error}\n")
    finally:
        os._exit(code)


def _die_at_call(number: int) -> None:
    """Die before a call of the object store: by time, a quick machine would be done first."""
    calls, call = count(1), objects._call

    def counted(*arguments: Any) -> Any:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)

    objects._call = counted


def _is_acknowledged(station: Station, id_: str, usecase: str) -> bool:
    """Deliver a fact; with a journal in an object store it is acknowledged once its run was submitted."""
    station.now = time.time()
    taken = station.handler.take(event_of("manual", usecase, source="/test", id_=id_, now=station.now))
    if station.dispatcher.follows:
        station.dispatcher.work()
        return True
    try:
        Submitter(station.dispatcher).work(taken)
    except NotSubmitted:  # another handler is at it, or died over it
        time.sleep(0.05)
        return False
    return True


def _outcome(station: Station, facts: list[str], so_far: Outcome) -> Outcome:
    """Add what the journal and the launcher have, and what of it is not as promised."""
    decisions = station.journal.decisions(10**6)
    decided = Counter(one.fact.id for decision in decisions for one in station.journal.facts_of(decision.number))
    starts = Counter(station.launcher.starts)
    faults = [f"{fact}: {decided[fact]} decisions" for fact in facts if decided[fact] != 1]
    faults += [f"decision {one.number}: {one.state}" for one in decisions if one.state.value != "done"]
    faults += [f"run {run}: started {times} times" for run, times in starts.items() if times != 1]
    if len(decisions) != len(facts) or len(starts) != len(facts):
        faults.append(f"{len(facts)} facts, {len(decisions)} decisions, {len(starts)} runs")
    repeated = sum(count > 1 for counts in (decided, starts) for count in counts.values())
    return replace(
        so_far,
        decisions=len(decisions),
        runs=len(starts),
        lost=sum(not decided[fact] for fact in facts),
        repeated=repeated,
        faults=so_far.faults + faults,
    )
