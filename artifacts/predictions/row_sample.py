"""Draws rows at random, the same ones whether they are read in one process or as shards by several workers.

Every row of a split has a random number by its place in the split; the sample is the rows with the smallest ones.
"""

import math

import numpy as np
from numpy.typing import NDArray

Priorities = NDArray[np.float64]


def priorities(seed: int, before: int, rows: int) -> Priorities:
    """Return the random numbers, from 0 to 1, of some rows of a split, of which `before` come first."""
    source = np.random.PCG64(seed)
    source.advance(before)  # one step per number
    return np.random.Generator(source).random(rows)


def smallest(drawn: Priorities, size: int) -> NDArray[np.intp]:
    """Return the indices of the `size` smallest numbers, or of all, in their order."""
    if len(drawn) <= size:
        return np.arange(len(drawn))
    return np.sort(np.argpartition(drawn, size)[:size])


def bound(size: int, total: int) -> float:
    """Return the number below which, of `total` rows, at least `size` and hardly more are: to ten standard errors."""
    return min(1.0, (size + 10 * math.sqrt(size) + 100) / max(total, 1))
