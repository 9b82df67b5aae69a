"""A canary: a second version that answers a share of the requests while it is compared with the champion.

Its state is a list of events that only grows, kept beside the pointer and moved with it. The last event says whether
a canary runs; `stage` is the number of the event that set the present share.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.backends.pointer import Pointer
from core.errors import UsageError

REQUEST_ID = "header:x-request-id"
_STAGES = frozenset({"start", "step"})
_ENDS = frozenset({"abort", "stop", "promote", "superseded"})


@dataclass(frozen=True)
class CanaryPlan:
    """How a canary goes: its shares in order, the key that requests are split by, and the bounds of the comparison."""

    steps: tuple[float, ...] = (5.0,)
    """Percent of the requests, rising; 0 is shadow mode (nothing is returned), 100 is promotion."""
    key: str = REQUEST_ID
    """`header:NAME` or `column:FEATURE`; a request without it is split at random."""
    error_rise: float = 0.01
    """Most that the share of failed requests may lie above the champion's."""
    slowdown: float = 1.5
    """Most that the time of the slowest tenth of requests may be, as a multiple of the champion's."""
    shift: float = 0.2
    """Most that the distribution of scores may differ from the champion's (Kolmogorov-Smirnov distance). The example
    trained a month later differs by 0.08."""
    alpha: float = 0.01
    """Chance, per step, that a canary within the bounds is aborted, or that one beyond them passes."""
    bake_seconds: float = 60.0
    """Shortest time of a step, however many requests it got."""

    def __post_init__(self) -> None:
        """Refuse what cannot be done: UsageError."""
        if not self.steps or self.steps[0] >= 100 or self.steps[-1] > 100 or self.steps[0] < 0:
            raise UsageError(f"steps: wanted percents from 0 to 100, the first below 100, got {_shown(self.steps)}")
        if any(after <= before for before, after in zip(self.steps, self.steps[1:], strict=False)):
            raise UsageError(f"steps: wanted each above the one before it, got {_shown(self.steps)}")
        kind, _, name = self.key.partition(":")
        if kind not in {"header", "column"} or not name.strip():
            raise UsageError(f"key: wanted header:NAME or column:FEATURE, got {self.key!r}")
        bounds = {"error_rise": (0, 1), "shift": (0, 1), "alpha": (0, 0.5), "slowdown": (1, math.inf)}
        for field, (low, high) in bounds.items():
            if not low < getattr(self, field) < high:
                raise UsageError(f"{field}: wanted a number between {low} and {high:g}, got {getattr(self, field):g}")
        if not 0 <= self.bake_seconds < math.inf:
            raise UsageError(f"bake_seconds: wanted 0 or more, got {self.bake_seconds:g}")


@dataclass(frozen=True)
class Canary:
    """A canary that runs."""

    to: Pointer
    """The version that is tried."""
    against: str
    """Reference of the champion that it is compared with."""
    plan: CanaryPlan
    start: int
    """Number of the event that started it, from 1; keys are split anew only by another start."""
    stage: int
    """Number of the event that set the share."""
    percent: float
    since: str
    """When the share was set, ISO 8601 in UTC."""
    passed: bool
    """Whether the comparison at this share found it within the bounds."""

    @property
    def is_shadow(self) -> bool:
        """Whether its answers are only compared, and never returned."""
        return self.percent == 0

    @property
    def next_percent(self) -> float | None:
        """The next share of the plan, 100 for promotion; None after the last."""
        return next((step for step in self.plan.steps if step > self.percent), None)


@dataclass(frozen=True)
class Note:
    """Who changes a rollout, why, and the decision (`core.decision`, as JSON) that it follows from."""

    by: str = ""
    why: str = ""
    decision: Mapping[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """Return what is given, as fields of an event."""
        return {field: value for field, value in asdict(self).items() if value}


def running(events: Sequence[Mapping[str, Any]]) -> Canary | None:
    """Return the canary that runs after some events; KeyError, TypeError or UsageError for events of another form."""
    if not events or events[-1]["action"] in _ENDS:
        return None
    start = max(at for at, event in enumerate(events) if event["action"] == "start")
    stage = max(at for at, event in enumerate(events) if event["action"] in _STAGES)
    begun, staged = events[start], events[stage]
    plan = CanaryPlan(**begun["plan"] | {"steps": tuple(begun["plan"]["steps"])})
    to = Pointer.parse(f"{begun['version']}@{begun['digest']}")
    passed = any(event["action"] == "pass" for event in events[stage:])
    return Canary(to, begun["against"], plan, start + 1, stage + 1, staged["percent"], staged["at"], passed)


def started(to: Pointer, against: Pointer, plan: CanaryPlan) -> dict[str, Any]:
    """Return the fields of the event that starts a canary at the first share of its plan."""
    return {
        "action": "start",
        "version": to.version,
        "digest": to.digest,
        "against": str(against),
        "percent": plan.steps[0],
        "plan": asdict(plan) | {"steps": list(plan.steps)},
    }


def _shown(steps: Sequence[float]) -> str:
    return ",".join(f"{step:g}" for step in steps) or "none"
