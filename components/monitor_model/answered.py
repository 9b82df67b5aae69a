"""What clients were answered, as `join_feedback` has written it: all of it, or a random sample of its rows."""

from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np

from artifacts.evaluation.columns import Values
from artifacts.predictions.row_sample import bound, priorities, smallest
from components.monitor_model.evaluated import is_outside

_BLOCK = 1 << 20
"""Rows that are in memory at once."""


class Answered(NamedTuple):
    """Raw outputs of a version."""

    outputs: Values
    """[rows, outputs]."""
    rows: int
    """Of the whole file."""
    is_outside: bool
    """Whether any output of the whole file is outside [0, 1]."""


def read_sample(path: Path, size: int, seed: int) -> Answered:
    """Read at most `size` rows of a file, drawn at random, in their order; memory does not grow with the others."""
    outputs = np.load(path, mmap_mode="r", allow_pickle=False)
    limit = bound(size, len(outputs))
    kept, numbers, outside = [], [], False
    for start in range(0, len(outputs), _BLOCK):
        block = np.asarray(outputs[start : start + _BLOCK])
        outside = outside or is_outside(block)
        drawn = priorities(seed, start, len(block))
        mine = np.flatnonzero(drawn <= limit)
        kept.append(block[mine])
        numbers.append(drawn[mine])
    chosen = smallest(np.concatenate(numbers), size)
    return Answered(np.concatenate(kept)[chosen], len(outputs), outside)
