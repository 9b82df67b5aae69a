"""What a person asks first: what is in production since when, what ran last, what runs next, what needs attention."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cronsim import CronSim

from core.backends.registry import Registry, open_registry
from core.errors import MlopsError, UsageError, did_you_mean
from core.store import Store
from mlops.actions.released import InEnvironment, in_environments
from mlops.actions.run_list import listed
from mlops.runs.history import SUBMISSION, read_summary, submitted
from mlops.runs.submission import Submission
from mlops.triggers.journal import Journal
from mlops.triggers.records import DeadLetter, Decision
from mlops.triggers.service import Triggers
from pipelines.config import UseCase, find, load
from pipelines.kinds import Kind

NEWEST_RUNS = 5


@dataclass(frozen=True)
class InProduction:
    """The version that answers, and a second one that is tried beside it."""

    version: int
    digest: str
    since: str
    """When it was put there, ISO 8601 in UTC."""
    action: str
    """How, such as `promote` or `rollback`."""
    canary: dict[str, Any] | None
    """Version, share of the requests in percent (0: a shadow) and since when; None without a canary."""
    aborted: dict[str, Any] | None = None
    """Version and reason of a canary that was aborted since the version in production was put there."""


@dataclass(frozen=True)
class LastRun:
    """One of the newest runs."""

    run_id: str
    kind: str
    """Such as `training` or `monitoring`."""
    state: str
    started: str
    verdict: str
    """`pass`, `fail` or `undecided`; empty while it has not ended."""
    headline: str


@dataclass(frozen=True)
class NextSlot:
    """The next slot of a schedule in the configuration."""

    schedule: str
    at: str
    """ISO 8601 in UTC."""
    pipeline: str


@dataclass(frozen=True)
class Alarm:
    """Something that a person should look at."""

    source: str
    """What raised it: a gate, a run, the registry."""
    what: str
    next_step: str
    verdict: str = "fail"
    """`undecided` for a check that could not decide, such as one that waits for more rows."""


@dataclass(frozen=True)
class Status:
    """The state of one use case."""

    usecase: str
    in_production: InProduction | None
    runs: tuple[LastRun, ...]
    """The newest first."""
    next: tuple[NextSlot, ...]
    alarms: tuple[Alarm, ...]
    waiting_facts: int
    """Facts that were taken and not decided about yet."""
    open_decisions: tuple[str, ...]
    """Why the runs that triggers follow now were started."""
    dead_letters: tuple[DeadLetter, ...]
    releases: tuple[InEnvironment, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return asdict(self)


@dataclass(frozen=True)
class _Triggered:
    """What the journal of triggers has about all use cases; empty where there is no journal."""

    waiting: tuple[str, ...] = ()
    """The use case of each fact that waits."""
    unfinished: tuple[Decision, ...] = ()
    dead: tuple[tuple[str, DeadLetter], ...] = ()
    """Each dead letter with its use case."""


@dataclass(frozen=True)
class _Own:
    """What the store has about one use case."""

    store: Store
    name: str
    submissions: dict[str, Submission]
    triggered: _Triggered


def statuses(store: Store, usecase: str, now: float) -> list[Status]:
    """Return the state of a use case, or of all that this store knows; reads alone, and writes nothing.

    Raises UsageError for a use case that neither the store nor `usecases/` has.
    """
    submissions = submitted(store)
    registry = open_registry(store.registry)
    models = set(registry.names())
    triggered = _triggered(store)
    known = {submission.usecase for submission in submissions.values()} | models | set(triggered.waiting)
    known |= {name for name, _ in triggered.dead if name}
    if usecase and usecase not in known and _configuration(usecase, submissions) is None:
        raise UsageError(f"no use case {usecase!r} in {store.root} or usecases/{did_you_mean(usecase, known)}")
    found = []
    for name in [usecase] if usecase else sorted(known):
        own = {run_id: one for run_id, one in submissions.items() if one.usecase == name}
        production = _in_production(registry if name in models else None, name)
        found.append(_status(_Own(store, name, own, triggered), production, now))
    return found


def _status(own: _Own, production: tuple[InProduction | None, str], now: float) -> Status:
    name, triggered = own.name, own.triggered
    newest = _newest_first(own.store, list(own.submissions))
    configuration, fault = None, ""
    try:
        configuration = _configuration(name, own.submissions)
    except MlopsError as error:
        fault = str(error)
    in_production, problem = production
    alarms = [
        *([Alarm("registry", problem, f"mlops models list {name}")] if problem else []),
        *_aborted(in_production, name),
        *([Alarm("configuration", fault, "correct config.yaml")] if fault else []),
        *_alarms(own.store, newest, own.submissions),
    ]
    return Status(
        usecase=name,
        in_production=in_production,
        runs=tuple(_runs(own.store, newest[:NEWEST_RUNS], own.submissions)),
        next=tuple(_slots(configuration, now)),
        alarms=tuple(alarms),
        waiting_facts=triggered.waiting.count(name),
        open_decisions=tuple(one.reason for one in triggered.unfinished if one.usecase == name),
        dead_letters=tuple(letter for about, letter in triggered.dead if about == name),
        releases=in_environments(own.store, name),
    )


def _in_production(registry: Registry | None, name: str) -> tuple[InProduction | None, str]:
    """What answers now, and why that is not known; without a fault or a version both are empty."""
    if registry is None:
        return None, ""
    try:
        state = registry.state(name)
    except MlopsError as error:
        return None, str(error)
    if state.champion is None:
        return None, ""
    moved = state.history[-1]
    canary = state.canary
    about = canary and {"version": canary.to.version, "percent": canary.percent, "since": canary.since}
    last = state.rollouts[-1] if state.rollouts else {}
    is_aborted = last.get("action") == "abort" and last["at"] >= moved["at"]
    aborted = {"version": last["version"], "why": _why(last)} if is_aborted else None
    champion = state.champion
    return InProduction(champion.version, champion.digest, moved["at"], moved["action"], about or None, aborted), ""


def _why(event: Mapping[str, Any]) -> str:
    """Return why a canary was aborted: what a person wrote, or what its decision says."""
    return str(event.get("why") or (event.get("decision") or {}).get("summary", ""))


def _aborted(found: InProduction | None, name: str) -> Iterator[Alarm]:
    if found is not None and found.aborted:
        what = f"version {found.aborted['version']} was aborted: {found.aborted['why']}"
        yield Alarm("canary", what, f"mlops models show {name} {found.aborted['version']}")


def _newest_first(store: Store, run_ids: Sequence[str]) -> list[str]:
    written = {run_id: (store.runs / run_id / SUBMISSION).stat().st_mtime_ns for run_id in run_ids}
    return sorted(run_ids, key=lambda run_id: written[run_id], reverse=True)


def _runs(store: Store, run_ids: Sequence[str], submissions: dict[str, Submission]) -> Iterator[LastRun]:
    for row in listed(store, run_ids):
        summary = read_summary(store, row["run_id"])
        verdict = verdict_of(summary) if summary else ""
        kind = submissions[row["run_id"]].kind.value
        yield LastRun(row["run_id"], kind, row["state"], row["started"], verdict, row["headline"])


def verdict_of(summary: dict[str, Any]) -> str:
    """Return the verdict of a run's summary: that of its worst gate, `fail` where it did not reach its end."""
    verdicts = {decision["verdict"] for decision in summary["decisions"]}
    is_released = summary["pushed_model"] is not None
    for verdict in () if is_released else ("fail", "undecided"):
        if verdict in verdicts:
            return verdict
    return "pass" if summary["state"] == "SUCCEEDED" else "fail"


def _slots(configuration: UseCase | None, now: float) -> Iterator[NextSlot]:
    for name, schedule in configuration.schedules.items() if configuration else ():
        slot = next(CronSim(schedule.cron, datetime.fromtimestamp(now, UTC)), None)
        if slot is not None:
            yield NextSlot(name, slot.isoformat(), schedule.pipeline)


def _alarms(store: Store, newest: Sequence[str], submissions: dict[str, Submission]) -> Iterator[Alarm]:
    """Closed checks of the newest monitoring run that has ended, and the newest run of each kind that failed."""
    seen: set[Kind] = set()
    for run_id in newest:
        kind = submissions[run_id].kind
        summary = read_summary(store, run_id) if kind not in seen else None
        if summary is None:
            continue
        seen.add(kind)
        if summary["state"] not in ("SUCCEEDED", "CANCELLED"):
            yield Alarm(run_id, summary["headline"], summary["next_step"])
        for decision in summary["decisions"] if kind is Kind.MONITORING else ():
            yield from _closed_checks(decision)


def _closed_checks(decision: dict[str, Any]) -> Iterator[Alarm]:
    for check in decision["checks"]:
        if check["verdict"] != "pass":
            about = f" ({check['slice']})" if check["slice"] else ""
            observed = check["observed"]
            shown = f"{observed:.4g}" if isinstance(observed, float) else (observed or "nothing")
            what = f"{check['rule']}{about}: observed {shown}"
            yield Alarm(decision["gate"], what, check["next_step"], check["verdict"])


def _configuration(name: str, submissions: dict[str, Submission]) -> UseCase | None:
    """Return the configuration of a use case below `usecases/`, or where its newest runs had it; None for neither."""
    for place in dict.fromkeys((name, *(one.cli_name for one in submissions.values() if one.usecase == name))):
        try:
            folder = find(place)
        except UsageError:
            continue
        return load(folder)
    return None


def _triggered(store: Store) -> _Triggered:
    triggers = Triggers(store, {})
    if not triggers.path.is_file():
        return _Triggered()
    journal = triggers.journal
    dead = [(_about(letter, journal), letter) for letter in journal.letters()]
    return _Triggered(tuple(one.fact.usecase for one in journal.waiting()), tuple(journal.unfinished()), tuple(dead))


def _about(letter: DeadLetter, journal: Journal) -> str:
    """Return the use case that a dead letter is about; empty where its event names none."""
    if letter.decision is not None:
        decision = journal.decision(letter.decision)
        return decision.usecase if decision else ""
    return str((letter.event or {}).get("subject", "")).partition("/")[0]


def elapsed(since: str, now: float) -> str:
    """Format the time since an instant, such as `3 days`."""
    seconds = max(now - datetime.fromisoformat(since).timestamp(), 0.0)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def run_folders(store: Store, usecase: str, kind: Kind) -> list[Path]:
    """Return the folders of the runs of one kind that have ended, the oldest first."""
    own = [run_id for run_id, one in submitted(store).items() if one.usecase == usecase and one.kind is kind]
    ended = [run_id for run_id in _newest_first(store, own) if read_summary(store, run_id) is not None]
    return [store.runs / run_id for run_id in reversed(ended)]
