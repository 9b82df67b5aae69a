"""Votes of labeling functions: an int16 matrix [rows, functions] with the index of a class, or ABSTAIN."""

import numpy as np
from numpy.typing import NDArray

from core.errors import LabelingError

ABSTAIN = -1
Votes = NDArray[np.int16]
"""[rows, functions]"""
Probabilities = NDArray[np.float64]
"""[rows, classes]; each row sums to 1."""


def check_votes(votes: NDArray[np.generic], classes: int) -> Votes:
    """Return votes as int16; LabelingError for NaN, fractions, and numbers that are neither a class nor ABSTAIN."""
    if votes.ndim != 2:
        raise LabelingError(f"votes: wanted the shape [rows, functions], got {list(votes.shape)}")
    numbers = votes.astype(np.float64)
    wrong = ~np.isfinite(numbers) | (numbers != np.floor(numbers)) | (numbers < ABSTAIN) | (numbers >= classes)
    if wrong.any():
        row, function = np.argwhere(wrong)[0].tolist()
        raise LabelingError(
            f"votes: wanted a class from 0 to {classes - 1}, or {ABSTAIN} to abstain, got {numbers[row, function]:g} "
            f"in row {row} of function {function}"
        )
    return votes.astype(np.int16)


def one_hot(votes: Votes, classes: int) -> NDArray[np.float32]:
    """Return votes as [rows, functions * classes], 1 where a function votes for a class."""
    rows, functions = votes.shape
    flags = np.zeros((rows, functions * classes), np.float32)
    for number in range(classes):
        flags[:, number::classes] = votes == number
    return flags


def covered(votes: Votes) -> NDArray[np.bool_]:
    """Return whether any function votes on a row, [rows]."""
    return np.asarray((votes != ABSTAIN).any(axis=1))
