"""Finds labeling functions that say the same: a label model takes their agreement for evidence that they are right."""

import numpy as np

from problems.labeling.votes import ABSTAIN, Votes

FEWEST_VOTES = 10
"""Functions that vote together on fewer rows are not compared."""


def twins(votes: Votes, share: float) -> list[tuple[int, ...]]:
    """Return groups of functions with equal votes on at least a share of the rows on which either of them votes."""
    functions = votes.shape[1]
    voted = votes != ABSTAIN
    group = list(range(functions))
    for one in range(functions):
        either = (voted | voted[:, one : one + 1]).sum(axis=0)
        equal = (voted & (votes == votes[:, one : one + 1])).sum(axis=0)
        is_twin = (equal >= FEWEST_VOTES) & (equal >= share * np.maximum(either, 1))
        for other in np.flatnonzero(is_twin[one + 1 :]) + one + 1:
            joined, left = sorted((group[one], group[int(other)]))
            group = [joined if member == left else member for member in group]
    found = {first: tuple(index for index, member in enumerate(group) if member == first) for first in set(group)}
    return sorted(members for members in found.values() if len(members) > 1)
