"""What is known of all rows of a split when an evaluation has a sample of them alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from artifacts.evaluation.slices import Groups, SliceKey
from artifacts.evaluation.spec import Features


class Total(NamedTuple):
    """The rows of one slice."""

    rows: int
    least: float
    """The smallest label."""
    greatest: float

    def plus(self, other: "Total") -> "Total":
        """Return the total of both."""
        return Total(self.rows + other.rows, min(self.least, other.least), max(self.greatest, other.greatest))


@dataclass(frozen=True)
class Population:
    """All rows of a split, as sums that several workers add up."""

    rows: int
    sampled: int
    """Number of rows in the sample; all of them where they are few enough."""
    seed: int = 0
    """Of the sample."""
    not_finite: Mapping[str, int] = field(default_factory=dict)
    """Rows with a score that is not finite, by model."""
    weight: float | None = None
    """Sum of the rows' weights; None when all are 1."""
    slices: Mapping[Features, Mapping[SliceKey, Total]] = field(default_factory=dict)
    """Every slice of each cross; that of no features is all rows."""

    def largest(self, features: Features, most: int) -> dict[SliceKey, Total]:
        """Return the slices of a cross that are evaluated: those with the most rows, in the order of their values."""
        found = self.slices[features]
        kept = sorted(found, key=lambda key: (-found[key].rows, _order(key)))[:most]
        return {key: found[key] for key in sorted(kept, key=_order)}

    def left_out(self, features: Features, most: int) -> tuple[int, int]:
        """Return the number of slices of a cross beyond the maximum, and of the rows in them."""
        kept = self.largest(features, most)
        others = [total.rows for key, total in self.slices[features].items() if key not in kept]
        return len(others), sum(others)


def total(labels: Any) -> Total:
    """Return the total of some rows; `labels` are [rows]."""
    return Total(len(labels), float(labels.min()), float(labels.max()))


def totals(groups: Groups, labels: Any) -> dict[SliceKey, Total]:
    """Return the totals of the slices of some rows; `labels` are [rows]."""
    return {key: total(labels[rows]) for key, rows in groups.slices}


def added(parts: Iterable[Mapping[SliceKey, Total]]) -> dict[SliceKey, Total]:
    """Add the totals of several parts."""
    found: dict[SliceKey, Total] = {}
    for part in parts:
        for key, total in part.items():
            found[key] = found[key].plus(total) if key in found else total
    return found


def _order(key: SliceKey) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in key)
