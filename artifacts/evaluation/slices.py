"""Slices and crosses of scored rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import MISSING, Codes
from artifacts.evaluation.spec import Features

SliceKey = tuple[tuple[str, Any], ...]
"""Pairs of feature and value, in the order of the features' names, as TFMA has it; empty for all rows."""
Rows = NDArray[np.int64]
"""Indices of rows."""
OVERALL: SliceKey = ()


@dataclass(frozen=True)
class Column:
    """A feature to slice by: a code per row, -1 where it is missing."""

    codes: Codes
    values: list[Any]


class Groups(NamedTuple):
    """The slices of some crossed features."""

    slices: list[tuple[SliceKey, Rows]]
    """Each slice with its rows."""
    left_out: int
    """Number of slices beyond the maximum, the smallest ones."""
    rows_left_out: int
    """Number of rows in those."""


def groups(columns: Mapping[str, Column], features: Features, most: int) -> Groups:
    """Group rows by crossed features into at most `most` slices; rows that lack one of the features are in no slice."""
    names = sorted(features)
    present = np.flatnonzero(np.logical_and.reduce([columns[name].codes != MISSING for name in names]))
    cells = np.zeros(len(present), np.int64)
    for name in names:
        cells = cells * len(columns[name].values) + columns[name].codes[present]
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(cells[order]) != 0])) if len(order) else order
    ends = np.append(starts[1:], len(order))
    kept = np.sort(np.argsort(starts - ends, kind="stable")[:most])
    slices = []
    for group in kept:
        rows = present[order[starts[group] : ends[group]]]
        key = tuple((name, columns[name].values[columns[name].codes[rows[0]]]) for name in names)
        slices.append((key, rows))
    return Groups(slices, len(starts) - len(kept), len(order) - sum(len(rows) for _, rows in slices))


def label(key: SliceKey) -> str:
    """Return a slice's name for display, such as `carrier=AA, origin=JFK`; "" for all rows."""
    return ", ".join(f"{name}={value}" for name, value in key)
