"""How a decision becomes a run: what the dispatcher needs of a world, and the worlds' way to do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core import digest
from mlops.report.outcome import Outcome
from mlops.runs.history import summaries
from mlops.triggers.records import State
from mlops.worlds import finished
from mlops.worlds.world import RunRequest, Watcher, World
from pipelines.compiled import wiring_digest
from pipelines.config import load
from pipelines.triggers import Trigger

_OF_A_SUBMISSION = {"champion", "submission"}


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    state: State
    reason: str
    """One sentence."""


class Launcher(Protocol):
    """Starts runs, finds them again after a crash, and follows them to their end."""

    def content(self, usecase: str, trigger: Trigger) -> str:
        """Return the digest of all that a run would depend on now."""

    def same_run(self, content: str) -> str:
        """Return a run with this content that ended without a failure, whoever started it; empty: there is none."""

    def started_by(self, decision: str) -> str:
        """Return the run that a decision started; empty: there is none."""

    def start(self, usecase: str, trigger: Trigger, decision: str) -> str:
        """Submit a run for a decision and return its id."""

    def finish(self, run_id: str) -> Ended:
        """Follow a run to its end; it may have ended before."""

    def ended(self, run_id: str) -> Ended | None:
        """Return how a run ended; None while it goes on."""


class WorldLauncher:
    """Starts runs in a world."""

    def __init__(self, world: World, folders: Mapping[str, Path], watcher: Watcher) -> None:
        """Use a world that stays open; `folders` has each use case that may be run, by name."""
        self._world = world
        self._folders = folders
        self._watcher = watcher

    def content(self, usecase: str, trigger: Trigger) -> str:
        """Pin a run, and take the digest of its code, compiled pipeline and parameters."""
        pinned = self._world.pin(self._request(usecase, trigger, ""))
        return content_of(usecase, pinned.parameters, pinned.code, wiring_digest(pinned.pipeline))

    def same_run(self, content: str) -> str:
        """Search the summaries of the runs that have ended."""
        for summary in summaries(self._world.store):
            made = (summary["usecase"], summary["parameters"], summary["code"], summary["compiled"])
            if summary["state"] == "SUCCEEDED" and content_of(*made) == content:
                return str(summary["run_id"])
        return ""

    def started_by(self, decision: str) -> str:
        """Ask the world, which finds it also where another machine submitted it, if it can."""
        return self._world.started_by(decision)

    def start(self, usecase: str, trigger: Trigger, decision: str) -> str:
        """Submit it; on the laptop it starts when it is followed."""
        return self._world.submit(self._request(usecase, trigger, decision)).run_id

    def finish(self, run_id: str) -> Ended:
        """Follow it and keep its report."""
        outcome, report = finished.follow_to_end(self._world, run_id, self._watcher)
        return Ended(_state(outcome), f"{outcome.headline} {report}")

    def ended(self, run_id: str) -> Ended | None:
        """Look at it once, and keep its report when it has ended."""
        run = self._world.result(run_id)
        if not run.state.is_final:
            return None
        outcome, report = finished.finish(run, self._world.store)
        return Ended(_state(outcome), f"{outcome.headline} {report}")

    def _request(self, usecase: str, trigger: Trigger, decision: str) -> RunRequest:
        span = "newest" if trigger.span == "newest" else None
        return RunRequest(load(self._folders[usecase]), trigger.pipeline, span, trigger=decision)


def content_of(usecase: str, parameters: Mapping[str, object], code: str, compiled: str) -> str:
    """Digest of all that a run depends on but the champion, which a rerun of the same content must not change."""
    lasting = sorted((name, repr(value)) for name, value in parameters.items() if name not in _OF_A_SUBMISSION)
    return digest.of_bytes(repr((usecase, lasting, code, compiled)).encode())


def _state(outcome: Outcome) -> State:
    if outcome.closed is not None:
        return State.CLOSED
    return State.DONE if outcome.exit_code == 0 else State.FAILED
