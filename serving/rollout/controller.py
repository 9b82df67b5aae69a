"""Decides about the canaries of a server, in one process of its own, and writes what it decided into the registry."""

import logging
import os
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.backends import rollout
from core.backends.canary import Canary
from core.backends.registry import Registry
from core.decision import Decision, Verdict
from core.errors import MlopsError
from serving.rollout import tally
from serving.rollout.comparison import Comparison
from serving.rollout.outcome import Outcomes
from serving.rollout.shadow_host import ShadowHost
from serving.rollout.trial import stage_folder
from serving.versions.split import Split

POLL_SECONDS = 1.0
_LOG = logging.getLogger("serving")


@dataclass(frozen=True)
class Controlled:
    """What a controller reads and writes."""

    registry: Registry
    """Where the decision is written."""
    local: Registry
    """Where the workers read: the same registry, or its copy on this machine."""
    counts: Path
    """The folder of the workers' counts."""
    outcomes: Outcomes
    names: tuple[str, ...] = ()
    """The models; all when empty."""


@dataclass
class _Watched:
    comparison: Comparison
    since: float
    decision: Decision | None = None


@dataclass
class Controller:
    """Polls the counts, and concludes a step once its decision is made."""

    controlled: Controlled
    now: Callable[[], float] = time.monotonic
    shadow: ShadowHost | None = None
    _watched: dict[str, _Watched] = field(default_factory=dict)
    _trouble: str = ""

    def run(self) -> None:
        """Poll forever."""
        while True:
            self.poll()
            time.sleep(POLL_SECONDS)

    def poll(self) -> None:
        """Poll once; a failure is logged and tried again at the next poll."""
        try:
            for name in self.controlled.names or self.controlled.local.names():
                self._follow(name)
            if self.shadow is not None:
                self.shadow.settle()
            self._trouble = ""
        except Exception as error:
            # The controller must survive any failure of the registry: an abort is tried until it is written.
            if str(error) != self._trouble:
                _LOG.exception("the rollout cannot go on, and is tried again")
            self._trouble = str(error)

    def _follow(self, name: str) -> None:
        canary = self.controlled.local.state(name).canary
        if self.shadow is not None:
            self.shadow.follow(name, canary)
        if canary is None:
            if self._watched.pop(name, None) is not None:
                shutil.rmtree(self.controlled.counts / name, ignore_errors=True)
            return
        watched = self._watched.get(name)
        if watched is None or watched.comparison.canary.stage != canary.stage:
            watched = self._watched[name] = _Watched(Comparison(canary), self.now())
        decision = watched.decision
        if decision is None or decision.verdict is not Verdict.FAIL:
            decision = watched.comparison.decide(
                tally.read(stage_folder(self.controlled.counts, name, Split.of(name, canary)))
            )
            if decision != watched.decision:
                # The workers stop asking an aborted canary at once, and not only when the registry is written.
                self.controlled.outcomes.write(name, canary, decision)
                watched.decision = decision
        is_over = canary.passed and canary.next_percent is None
        is_baked = self.now() - watched.since >= canary.plan.bake_seconds
        if decision.verdict is Verdict.FAIL or (decision.is_open and is_baked and not is_over):
            self._conclude(name, canary, decision)

    def _conclude(self, name: str, canary: Canary, decision: Decision) -> None:
        by = f"mlops serve on {socket.gethostname()}, process {os.getpid()}"
        try:
            before = self.controlled.registry.state(name)
            after = rollout.conclude(self.controlled.registry, name, canary, decision, by)
        except MlopsError as error:
            raise MlopsError(f"{name}: the decision about the canary cannot be written: {error}") from error
        if after.rollouts != before.rollouts:
            event = after.rollouts[-1]
            level = logging.ERROR if decision.verdict is Verdict.FAIL else logging.INFO
            share = f" to {event['percent']:g} %" if event["action"] == "step" else ""
            done = f"{event['action']}{share}"
            _LOG.log(level, "%s: canary version %d: %s: %s", name, canary.to.version, done, decision.summary)
