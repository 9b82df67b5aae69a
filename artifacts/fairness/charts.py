"""Draws rates by group: over thresholds, with intervals at one threshold, and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from artifacts.fairness.grouped_rows import NumberedGroups
from artifacts.fairness.measurement import Estimate, Grouping
from artifacts.fairness.names import CALIBRATION, EXPLAINED, RATES, Rate
from artifacts.fairness.rates import Rows, rates
from core import pictures
from core.pictures import COLORS, Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GRID = np.linspace(0.02, 0.98, 49)
BINS = 10
OF_THRESHOLDS: tuple[Rate, ...] = tuple(rate for rate in RATES if rate != CALIBRATION)
SHOWN = 6
"""Groups that are drawn, the largest ones; tables have all."""


@dataclass(frozen=True)
class Drawn:
    """The rows of a split, their groups, and at which thresholds and level they are drawn."""

    rows: Rows
    groups: NumberedGroups
    confidence: float
    thresholds: Sequence[float]
    """Drawn as dotted lines."""

    @property
    def names(self) -> list[str]:
        """Of the groups that are drawn."""
        return [", ".join(values) for values in self.groups.values[:SHOWN]]


def over_thresholds(drawn: Drawn) -> Markup:
    """Draw every rate over the threshold, a line with its interval for each group."""
    found = rates(drawn.rows, drawn.groups.numbers, len(drawn.groups.values), GRID.tolist())
    with pictures.figure(10, 5.4) as figure:
        for place, rate in enumerate(OF_THRESHOLDS, start=1):
            axes = figure.add_subplot(2, 3, place)
            interval = found[rate].interval(drawn.confidence)
            for number, name in enumerate(drawn.names):
                axes.plot(GRID, interval.value[number], label=name, color=COLORS[number])
                axes.fill_between(GRID, interval.low[number], interval.high[number], color=COLORS[number], alpha=0.15)
            _mark(axes, drawn.thresholds)
            axes.set_title(rate.replace("_", " "))
            axes.set_xlabel("threshold")
            axes.set_ylim(0, 1)
        _calibration(figure.add_subplot(2, 3, 6), drawn)
        axes.legend(fontsize=7)
        return pictures.svg(figure, f"rates by {' x '.join(drawn.groups.features)} over the threshold")


def _mark(axes: "Axes", thresholds: Sequence[float]) -> None:
    for threshold in thresholds:
        axes.axvline(threshold, linestyle=":", linewidth=0.8, color="#8a8f98")


def _calibration(axes: "Axes", drawn: Drawn) -> None:
    """Draw the share of positive rows over the mean score, in bins of equally many rows of the group."""
    axes.plot([0, 1], [0, 1], linestyle=":", linewidth=0.8, color="#8a8f98")
    for number, name in enumerate(drawn.names):
        members = drawn.groups.numbers == number
        scores, labels = drawn.rows.scores[members], drawn.rows.labels[members]
        parts = np.array_split(np.argsort(scores, kind="stable"), max(1, min(BINS, len(scores) // 10)))
        points = np.array([(scores[part].mean(), labels[part].mean()) for part in parts if len(part)])
        axes.plot(points[:, 0], points[:, 1], marker="o", markersize=2.5, color=COLORS[number], label=name)
    axes.set_title("calibration")
    axes.set_xlabel("mean score")
    axes.set_ylabel("positive rows")


def at_threshold(grouping: Grouping, threshold: float) -> Markup:
    """Draw every rate of every group at one threshold, a dot with its interval."""
    members = grouping.groups[:SHOWN]
    with pictures.figure(10, 1.1 + 0.28 * len(members)) as figure:
        for place, rate in enumerate(RATES, start=1):
            axes = figure.add_subplot(1, len(RATES), place)
            for row, group in enumerate(members):
                _dot(axes, row, _estimate(group, rate, threshold))
            axes.set_title(rate.replace("_", " "), fontsize=8)
            axes.set_yticks(range(len(members)), [group.name for group in members] if place == 1 else [])
            axes.set_ylim(len(members) - 0.5, -0.5)
            axes.margins(x=0.15)
        return pictures.svg(figure, f"rates by {grouping.name} at the threshold {threshold:g}, with intervals")


def _dot(axes: "Axes", row: int, found: Estimate) -> None:
    if found.value is not None and found.low is not None and found.high is not None:
        axes.plot([found.low, found.high], [row, row], color=COLORS[row])
        axes.plot([found.value], [row], marker="o", markersize=4, color=COLORS[row])


def _estimate(group: Any, rate: Rate, threshold: float) -> Estimate:
    if rate == CALIBRATION:
        return group.calibration  # type: ignore[no-any-return]
    at = next(one for one in group.rates if one.threshold == threshold)
    return getattr(at, rate)  # type: ignore[no-any-return]


def explained() -> Markup:
    """List what each rate is a share of."""
    lines = (f"{rate.replace('_', ' ')}: {meaning}" for rate, meaning in EXPLAINED.items())
    return Markup(f"<p>{pictures.muted('; '.join(lines))}</p>")
