"""Slices and crosses of scored rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import MISSING, Codes
from artifacts.evaluation.measures import Features

SliceKey = tuple[tuple[str, Any], ...]
"""Feature and value, in the order of the features' names, as TFMA has it; empty for all of the data."""
Rows = NDArray[np.int64]
OVERALL: SliceKey = ()


@dataclass(frozen=True)
class Column:
    """A feature to slice by: a code per row, -1 where it is missing."""

    codes: Codes
    values: list[Any]


class Groups(NamedTuple):
    """The slices of some crossed features."""

    found: list[tuple[SliceKey, Rows]]
    """Each slice and the rows in it."""
    left_out: int
    """Smaller slices beyond the bound."""
    rows_left_out: int


def groups(columns: Mapping[str, Column], features: Features, most: int) -> Groups:
    """Part rows by some crossed features, `most` slices at most; rows that miss one of the features are in none."""
    names = sorted(features)
    present = np.flatnonzero(np.logical_and.reduce([columns[name].codes != MISSING for name in names]))
    cells = np.zeros(len(present), np.int64)
    for name in names:
        cells = cells * len(columns[name].values) + columns[name].codes[present]
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(cells[order]) != 0])) if len(order) else order
    ends = np.append(starts[1:], len(order))
    kept = np.sort(np.argsort(starts - ends, kind="stable")[:most])
    found = []
    for at in kept:
        rows = present[order[starts[at] : ends[at]]]
        key = tuple((name, columns[name].values[columns[name].codes[rows[0]]]) for name in names)
        found.append((key, rows))
    return Groups(found, len(starts) - len(kept), len(order) - sum(len(rows) for _, rows in found))


def label(key: SliceKey) -> str:
    """Name a slice for people: `carrier=AA, origin=JFK`; empty for all of the data."""
    return ", ".join(f"{name}={value}" for name, value in key)
