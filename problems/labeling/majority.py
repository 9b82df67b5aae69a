"""Majority vote: each vote counts the same."""

import numpy as np
from numpy.typing import NDArray

from problems.labeling.votes import Probabilities, Votes


def majority(votes: Votes, balance: NDArray[np.float64]) -> Probabilities:
    """Return the share of votes for each class, [rows, classes]; the class balance for a row without votes."""
    counts = np.stack([(votes == number).sum(axis=1) for number in range(len(balance))], axis=1).astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1), balance)
