"""Analysis of labeling functions as snorkel's LFAnalysis defines it: coverage, overlaps, conflicts and accuracies."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from problems.labeling.votes import ABSTAIN, Votes


class FunctionAnalysis(NamedTuple):
    """One labeling function; shares are of all rows."""

    name: str
    polarity: tuple[int, ...]
    """The classes that it votes for."""
    coverage: float
    """Share of rows on which it votes."""
    overlaps: float
    """Share of rows on which it and another function vote."""
    conflicts: float
    """Share of rows on which it votes and any two functions vote differently."""
    gold_votes: int = 0
    """Votes on rows with a gold label."""
    correct: int = 0
    """Those of them that are right."""
    weight: float | None = None
    """Its accuracy as the label model learned it; None for a function that the model did not get."""

    @property
    def accuracy(self) -> float | None:
        """Share of its votes on gold rows that are right; None without such votes."""
        return self.correct / self.gold_votes if self.gold_votes else None


def analyze(
    votes: Votes,
    names: Sequence[str],
    gold_votes: Votes,
    gold: NDArray[np.int64],
    weights: Sequence[float | None] | None = None,
) -> list[FunctionAnalysis]:
    """Analyze each function on votes [rows, functions] and on votes of rows with a gold label [gold rows]."""
    voted = votes != ABSTAIN
    overlap = voted.sum(axis=1) > 1
    conflict = _conflicts(votes, voted)
    found = []
    for index, name in enumerate(names):
        own = votes[:, index]
        on_gold = gold_votes[:, index]
        found.append(
            FunctionAnalysis(
                name=name,
                polarity=tuple(int(number) for number in np.unique(own[voted[:, index]])),
                coverage=float(voted[:, index].mean()),
                overlaps=float((voted[:, index] & overlap).mean()),
                conflicts=float((voted[:, index] & conflict).mean()),
                gold_votes=int((on_gold != ABSTAIN).sum()),
                correct=int(((on_gold != ABSTAIN) & (on_gold == gold)).sum()),
                weight=None if weights is None else weights[index],
            )
        )
    return found


def _conflicts(votes: Votes, voted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether any two functions vote differently on a row, [rows]."""
    highest = np.where(voted, votes, np.int16(-32768)).max(axis=1)
    lowest = np.where(voted, votes, np.int16(32767)).min(axis=1)
    return np.asarray(voted.any(axis=1) & (highest != lowest))


def agreement(votes: Votes) -> NDArray[np.float64]:
    """Return the share of equal votes where both functions vote, [functions, functions]; NaN where they never do."""
    functions = votes.shape[1]
    found = np.full((functions, functions), np.nan)
    voted = votes != ABSTAIN
    for one in range(functions):
        both = voted & voted[:, one : one + 1]
        counts = both.sum(axis=0)
        equal = (both & (votes == votes[:, one : one + 1])).sum(axis=0)
        found[one] = np.where(counts > 0, equal / np.maximum(counts, 1), np.nan)
    return found
