"""Slices and crosses of the judged rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluate_model.columns import MISSING, Codes
from components.evaluate_model.config import Features

SliceKey = tuple[tuple[str, Any], ...]
"""Feature and value, in the order of the features' names, as TFMA has it; empty for all of the data."""
Rows = NDArray[np.int64]
OVERALL: SliceKey = ()


@dataclass(frozen=True)
class Column:
    """A feature to slice by: a code per row, -1 where it is missing."""

    codes: Codes
    values: list[Any]


def groups(columns: Mapping[str, Column], features: Features) -> Iterator[tuple[SliceKey, Rows]]:
    """Yield each slice of some crossed features and the rows in it; rows that miss one of the features are in none."""
    names = sorted(features)
    present = np.flatnonzero(np.logical_and.reduce([columns[name].codes != MISSING for name in names]))
    cells = np.zeros(len(present), np.int64)
    for name in names:
        cells = cells * len(columns[name].values) + columns[name].codes[present]
    order = np.argsort(cells, kind="stable")
    ends = np.flatnonzero(np.diff(cells[order])) + 1
    for rows in np.split(present[order], ends) if len(order) else ():
        yield tuple((name, columns[name].values[columns[name].codes[rows[0]]]) for name in names), rows


def label(key: SliceKey) -> str:
    """Name a slice for people: `carrier=AA, origin=JFK`; empty for all of the data."""
    return ", ".join(f"{name}={value}" for name, value in key)
