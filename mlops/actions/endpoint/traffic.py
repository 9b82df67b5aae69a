"""Which traffic the registry's state asks for, and which ones a command that was cut short may have left."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.backends.pointer import Pointer
from core.backends.production import Production
from mlops.actions.endpoint.deployed import Deployed, of_version

Split = dict[str, int]


@dataclass(frozen=True)
class LastCanary:
    """The canary that was begun last: it runs, or how it ended."""

    to: Pointer
    against: Pointer
    percents: tuple[int, ...]
    """Its shares so far."""
    ended: str
    """The last event, such as `abort`; empty while it runs."""
    why: str


def last_canary(state: Production) -> LastCanary | None:
    """Return the canary that was begun last; None when there was none."""
    starts = [at for at, event in enumerate(state.rollouts) if event["action"] == "start"]
    if not starts:
        return None
    events = state.rollouts[starts[-1] :]
    begun, last = events[0], events[-1]
    return LastCanary(
        to=Pointer(begun["version"], begun["digest"]),
        against=Pointer.parse(begun["against"]),
        percents=tuple(int(event["percent"]) for event in events),
        ended="" if state.canary is not None else last["action"],
        why=last.get("why", ""),
    )


def alone(model: Deployed) -> Split:
    """Return all of the traffic for one deployed model."""
    return {model.id: 100}


def shared(champion: Deployed, canary: Deployed, percent: int) -> Split:
    """Return a share for the canary, and the rest for the champion."""
    return {key: value for key, value in ((champion.id, 100 - percent), (canary.id, percent)) if value}


def ours(models: Sequence[Deployed], state: Production) -> list[Split]:
    """Return each traffic that the moves of the registry's last canary, or of its pointer, may have left."""
    found: list[Split] = [{}]
    champions = [state.champion, *state.previous[-1:]]
    found += [alone(model) for pointer in champions for model in of_version(models, pointer)]
    last = last_canary(state)
    if last is None:
        return found
    for canary in of_version(models, last.to):
        for champion in of_version(models, last.against):
            found += [shared(champion, canary, percent) for percent in (0, *last.percents, 100)]
    return found
