"""How much annotators agree: Krippendorff's alpha over all, Cohen's kappa of each pair, accuracy on gold questions."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from components.import_labels.votes import Floats, Places, Votes

_MOST_ANNOTATORS = 50
"""Annotators whose pairs are compared; their number grows with the square."""


class Pair(NamedTuple):
    """The agreement of two annotators."""

    first: str
    second: str
    rows: int
    """How many rows both labeled."""
    kappa: float | None
    """Cohen's kappa; None where it is not defined: no common row, or both gave one and the same label only."""


class GoldAccuracy(NamedTuple):
    """How an annotator answered gold questions."""

    annotator: str
    rows: int
    accuracy: float | None


def alpha(votes: Votes) -> float | None:
    """Return Krippendorff's alpha for nominal labels; None where no row has two labels, or all are the same.

    1 is perfect agreement, 0 what chance gives.
    """
    counts = votes.counts()
    per_row = counts.sum(axis=1)
    counts, per_row = counts[per_row > 1], per_row[per_row > 1]
    total, of_class = per_row.sum(), counts.sum(axis=0)
    expected = total**2 - (of_class**2).sum()
    if total < 2 or expected == 0:
        return None
    observed = ((per_row**2 - (counts**2).sum(axis=1)) / (per_row - 1)).sum()
    return float(1 - (total - 1) * observed / expected)


def alpha_of_numbers(values: Floats, rows: Places) -> float | None:
    """Return Krippendorff's alpha for numbers, with squared distances; None as `alpha`."""
    counts = np.bincount(rows)
    kept = counts[rows] > 1
    values, rows = values[kept], rows[kept]
    total = len(values)
    if total < 2:
        return None
    per_row = np.bincount(rows, minlength=len(counts))
    sums, squares = np.bincount(rows, values, len(counts)), np.bincount(rows, values**2, len(counts))
    used = per_row > 1
    observed = 2 * ((per_row * squares - sums**2)[used] / (per_row[used] - 1)).sum() / total
    expected = 2 * (total * (values**2).sum() - values.sum() ** 2) / (total * (total - 1))
    return None if expected <= 0 else float(1 - observed / expected)


def kappas(votes: Votes) -> list[Pair]:
    """Return Cohen's kappa of each pair of annotators; of many annotators, those with the most labels."""
    matrix = votes.matrix()
    count = len(votes.classes)
    given = (matrix >= 0).sum(axis=1)
    most = np.sort(np.argsort(-given, kind="stable")[:_MOST_ANNOTATORS])
    found = []
    for first, second in combinations(most.tolist(), 2):
        shared = (matrix[first] >= 0) & (matrix[second] >= 0)
        both = np.bincount(matrix[first, shared] * count + matrix[second, shared], minlength=count**2)
        table = both.reshape(count, count)
        names = (votes.annotators[first], votes.annotators[second])
        found.append(Pair(*names, int(shared.sum()), _kappa(table.astype(np.float64))))
    return found


def gold_accuracies(votes: Votes, gold: Places) -> list[GoldAccuracy]:
    """Return how each annotator answered the gold questions; `gold` has the true class of each row, -1 for none."""
    truth = gold[votes.row]
    is_asked = truth >= 0
    right = np.bincount(votes.annotator[is_asked & (truth == votes.label)], minlength=len(votes.annotators))
    asked = np.bincount(votes.annotator[is_asked], minlength=len(votes.annotators))
    return [
        GoldAccuracy(name, int(count), float(good / count) if count else None)
        for name, count, good in zip(votes.annotators, asked, right, strict=True)
    ]


def _kappa(table: Floats) -> float | None:
    total = table.sum()
    if total == 0:
        return None
    shares = table / total
    chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return None if chance >= 1 else float((np.trace(shares) - chance) / (1 - chance))
