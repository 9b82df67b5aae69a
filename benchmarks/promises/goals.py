"""What this program has promised, and whether the measurement keeps it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLD = {"15000": 0.22, "all": 0.1}
"""Largest share of the peer's cold wall time, by size."""
CACHED = 0.05
"""Largest share of the peer's cold wall time that a rerun may take when nothing has changed."""
TRAIN_SECONDS = {"15000": 3.5}
"""Of `train_model` in a cold run, by size."""
PUSHED_SECONDS, ANSWERED_SECONDS = 12.0, 15.0
"""From the start of a run with a new month to its end, and to the first answer by the new version."""
PSS_MIB = 3072.0
GROWTH = 1.3
"""Memory at ten times the rows, against memory at all of them."""


@dataclass(frozen=True)
class Goal:
    """A number with the bound that it must not exceed."""

    what: str
    measured: float
    at_most: float

    @property
    def kept(self) -> bool:
        """Whether the bound holds."""
        return self.measured <= self.at_most

    def as_json(self) -> dict[str, Any]:
        """The same for a machine."""
        return {"what": self.what, "measured": round(self.measured, 4), "at_most": self.at_most, "kept": self.kept}


def speed(size: str, seconds: Mapping[str, Sequence[float]]) -> list[Goal]:
    """Hold the medians of some runs against the promises; none where the peer was not measured."""
    if not seconds.get("peer cold"):
        return []
    peer = statistics.median(seconds["peer cold"])
    ratios = {what: statistics.median(seconds[f"ours {what}"]) / peer for what in ("cold", "cached")}
    return [
        Goal(f"cold, {size} rows, of the peer's cold time", ratios["cold"], COLD[size]),
        Goal(f"cached rerun, {size} rows, of the peer's cold time", ratios["cached"], CACHED),
    ]


def steps(size: str, runs: Sequence[Mapping[str, float]]) -> list[Goal]:
    """Hold the steps of our cold runs against the promises of their size."""
    if size not in TRAIN_SECONDS:
        return []
    seconds = statistics.median(run["train_model"] for run in runs)
    return [Goal(f"train_model, {size} rows, seconds", seconds, TRAIN_SECONDS[size])]


def new_month(runs: Sequence[float], answers: Sequence[float]) -> list[Goal]:
    """Hold the seconds of new months, with workers that wait, against the promises."""
    return [
        Goal("a new month, until it is pushed, seconds", statistics.median(runs), PUSHED_SECONDS),
        Goal("a new month, until its version answers, seconds", statistics.median(answers), ANSWERED_SECONDS),
    ]


def memory(peaks_mib: Mapping[str, float]) -> list[Goal]:
    """Hold the memory of the whole process tree against the promises."""
    goals = (
        [Goal("memory, all rows, MiB PSS of the process tree", peaks_mib["all"], PSS_MIB)] if "all" in peaks_mib else []
    )
    if {"all", "x10"} <= peaks_mib.keys():
        goals.append(
            Goal("memory, ten times the rows, of that at all rows", peaks_mib["x10"] / peaks_mib["all"], GROWTH)
        )
    return goals
