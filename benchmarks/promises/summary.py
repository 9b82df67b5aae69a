"""Says what was measured, as a table for people."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.promises.goals import Goal

UNFAIR = (
    "The peer has no InfraValidator (it needs TensorFlow Serving's binary or image), draws no pictures, fits no "
    "baselines and scopes nothing; this program does."
)


def speed(size: str, found: Mapping[str, Any]) -> str:
    """Lay out one size: times, then where the time of a cold run went."""
    seconds: Mapping[str, Sequence[float]] = found["seconds"]
    lines = [f"\n{size}: {sum(found['rows'].values())} rows {found['rows']}"]
    peer = statistics.median(seconds["peer cold"]) if "peer cold" in seconds else None
    for key, values in sorted(seconds.items()):
        middle = statistics.median(values)
        share = f"{middle / peer:6.3f} of the peer's cold run" if peer else ""
        lines.append(
            f"  {key:<12} {middle:7.2f} s  {share}   all: {', '.join(f'{value:.2f}' for value in sorted(values))}"
        )
    lines += _without_infra(seconds, found["steps"], peer)
    for key in ("ours cold", "peer cold"):
        if key in found["steps"]:
            lines += _steps(key, seconds[key], found["steps"][key])
    return "\n".join(lines)


def _without_infra(
    seconds: Mapping[str, Sequence[float]], steps: Mapping[str, Any], peer: float | None
) -> Iterable[str]:
    """Subtract a stage that the peer does not have: it runs alone, between evaluation and push."""
    values = [
        whole - step.get("validate_infra", 0.0)
        for whole, step in zip(seconds["ours cold"], steps["ours cold"], strict=True)
    ]
    middle = statistics.median(values)
    share = f"{middle / peer:6.3f} of the peer's cold run" if peer else ""
    yield f"  {'ours cold':<12} {middle:7.2f} s  {share}   without validate_infra"


def _steps(key: str, whole: Sequence[float], runs: Sequence[Mapping[str, float]]) -> Iterable[str]:
    """Name where the time of the middle run went, longest first, and what is outside of every step."""
    middle = sorted(range(len(whole)), key=whole.__getitem__)[len(whole) // 2]
    steps = runs[middle]
    yield f"  where the time of {key} goes ({whole[middle]:.2f} s)"
    yield f"    {'imports, start, end':<24} {whole[middle] - sum(steps.values()):7.2f} s"
    for name, value in sorted(steps.items(), key=lambda item: -item[1]):
        yield f"    {name:<24} {value:7.2f} s"


def new_month(found: Mapping[str, Sequence[Mapping[str, Any]]], speed: Mapping[str, Any]) -> str:
    """Lay out the new months: with workers that wait, and with the run's own, month by month.

    Their share of the peer's cold run, where `speed` has one of 15,000 rows, says more than their seconds about another
    machine.
    """
    lines = ["\na new month, seconds          until pushed   until its version answers"]
    for name, months in found.items():
        lines += [f"  {name:<28} {month['run']:10.2f} {month['answered']:27.2f}" for month in months]
    pairs = zip(found["waiting"], found["own"], strict=True)
    ratio = statistics.median(waiting["run"] / own["run"] for waiting, own in pairs)
    lines.append(f"  waiting workers against own ones, median of the pairs: {ratio:.2f}")
    if peer := speed.get("15000", {}).get("seconds", {}).get("peer cold"):
        middle = statistics.median(month["run"] for month in found["waiting"])
        share = middle / statistics.median(peer)
        lines.append(f"  with waiting workers, of the peer's cold run of 15,000 rows, median: {share:.3f}")
    return "\n".join(lines)


def goals(kept: Iterable[Goal]) -> str:
    """Set each measured number beside its promise."""
    lines = [f"\n{'goal':<56}{'measured':>10}{'at most':>10}"]
    for goal in kept:
        lines.append(f"{goal.what:<56}{goal.measured:>10.3f}{goal.at_most:>10.2f}  {'kept' if goal.kept else 'BROKEN'}")
    return "\n".join(lines)
