"""Which rows to label next: those that a quick model is least sure of, without near-duplicates, every class seeded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from artifacts.labels.reader import Value
from mlops.actions.labeling.matrix import Matrix

Strategy = Literal["margin", "entropy", "committee", "random"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Floats = npt.NDArray[np.float64]
SIMILAR = 0.9
"""Cosine from which two rows are near-duplicates."""
_MEMBERS = 7
"""Models of a committee, each trained on a bootstrap sample."""


@dataclass(frozen=True)
class Pool:
    """Rows as a matrix, with the labels that are known."""

    features: Matrix
    known: npt.NDArray[np.intp]
    """Places of the labeled rows."""
    labels: Sequence[Value]
    """Their labels."""
    open: npt.NDArray[np.intp]
    """Places of the rows that may be chosen."""
    classes: tuple[Value, ...]


def fitted(pool: Pool, rows: npt.NDArray[np.intp] | None = None) -> Floats:
    """Return the probability of each class for all rows, [rows, classes], of a model of the labeled rows (or of some).

    A class without a labeled row has probability 0.
    """
    rows = np.arange(len(pool.known)) if rows is None else rows
    codes = np.array([pool.classes.index(pool.labels[one]) for one in rows])
    probabilities = np.zeros((pool.features.shape[0], len(pool.classes)))
    different = np.unique(codes)
    if len(different) < 2:
        probabilities[:, different] = 1
        return probabilities
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=200)
    model.fit(pool.features[pool.known[rows]], codes)
    probabilities[:, different] = model.predict_proba(pool.features)
    return probabilities


def choose(pool: Pool, strategy: Strategy, count: int, seed: int = 0) -> list[int]:
    """Return the places of the rows to label next, the most useful first, at most `count`.

    Up to half of them look for classes without a label. No two are near-duplicates of each other or of a labeled row.
    """
    random = np.random.default_rng(seed)
    chooser = _Chooser(pool, count)
    if strategy == "random":
        chooser.take(random.permutation(pool.open), count)
        return chooser.chosen
    missing = [one for one in pool.classes if one not in set(pool.labels)]
    if len(pool.classes) - len(missing) < 2:
        chooser.spread(count, random)
        return chooser.chosen
    if missing:
        chooser.spread(-(-count // 2), random)
    scores = _SCORES[strategy](pool, random)[pool.open]
    chooser.take(pool.open[np.lexsort((random.random(len(scores)), -scores))], count)
    return chooser.chosen


class _Chooser:
    """Takes rows that are not near-duplicates of those it has, or of labeled ones."""

    def __init__(self, pool: Pool, count: int) -> None:
        self.chosen: list[int] = []
        self._pool, self._count = pool, count
        self._similarity = np.zeros(pool.features.shape[0])
        for start in range(0, len(pool.known), 256):
            near = pool.features @ pool.features[pool.known[start : start + 256]].T
            self._similarity = np.maximum(self._similarity, near.max(axis=1).toarray().ravel())

    def take(self, ordered: npt.NDArray[np.intp], until: int) -> None:
        """Take rows in order until there are so many."""
        for row in ordered:
            if len(self.chosen) >= until:
                return
            if self._similarity[row] < SIMILAR:
                self._add(int(row))

    def spread(self, until: int, random: np.random.Generator) -> None:
        """Take the row that is least like all that are taken, again and again: each class shows up early."""
        is_open = np.zeros(len(self._similarity), bool)
        is_open[self._pool.open] = True
        ties = random.random(len(self._similarity)) * 1e-6
        while len(self.chosen) < until:
            distance = np.where(is_open & (self._similarity < SIMILAR), 1 - self._similarity + ties, 0)
            best = int(distance.argmax())
            if distance[best] <= 0:
                return
            self._add(best)

    def _add(self, row: int) -> None:
        self.chosen.append(row)
        near = (self._pool.features @ self._pool.features[row].T).toarray().ravel()
        self._similarity = np.maximum(self._similarity, near)
        self._similarity[row] = 1


def _margin(pool: Pool, _: np.random.Generator) -> Floats:
    ordered = np.sort(fitted(pool), axis=1)
    margin: Floats = ordered[:, -1] - ordered[:, -2]
    return -margin


def _entropy(pool: Pool, _: np.random.Generator) -> Floats:
    return _entropy_of(fitted(pool))


def _committee(pool: Pool, random: np.random.Generator) -> Floats:
    """Return how much the answers of models of bootstrap samples differ: entropy of the mean less mean entropy."""
    members = [fitted(pool, random.integers(0, len(pool.known), len(pool.known))) for _ in range(_MEMBERS)]
    disagreement: Floats = _entropy_of(np.mean(members, axis=0)) - np.mean([_entropy_of(m) for m in members], axis=0)
    return disagreement


def _entropy_of(probabilities: Floats) -> Floats:
    entropy: Floats = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
    return entropy


_SCORES: dict[str, Callable[[Pool, np.random.Generator], Floats]] = {
    "margin": _margin,
    "entropy": _entropy,
    "committee": _committee,
}
