"""The label model: learns from agreements alone how often each labeling function is right.

The method is the one of snorkel 0.10's LabelModel (Ratner et al., 2019, "Training Complex Models with Multi-Task Weak
Supervision"): the matrix of how often two functions vote for two classes is factored by gradient descent into the
conditional probabilities of votes. The answers are the same to 1e-4.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from core.errors import LabelingError
from problems.labeling.votes import ABSTAIN, Probabilities, Votes, check_votes, one_hot

FEWEST_FUNCTIONS = 3
"""With fewer functions their accuracies do not follow from their agreements."""
_BLOCK = 65_536
"""Rows that are counted at once."""


@dataclass(frozen=True)
class FitSettings:
    """How the conditional probabilities are learned; the defaults are snorkel's, but for more epochs."""

    epochs: int = 500
    learning_rate: float = 0.01
    momentum: float = 0.9
    l2: float = 0.0
    """Strength of the regularization, towards the initial values and towards 0."""
    precision: float = 0.7
    """How often a vote is assumed to be right before anything is learned."""
    seed: int = 0


@dataclass(frozen=True)
class LabelModel:
    """Learned conditional probabilities of votes."""

    mu: NDArray[np.float64]
    """[functions * classes, classes]: the probability of a function's vote for a class, given the true class."""
    balance: NDArray[np.float64]
    """[classes]: the probability of each class."""
    coverage: NDArray[np.float64]
    """[functions]: the share of rows on which a function voted."""

    @property
    def weights(self) -> NDArray[np.float64]:
        """The learned accuracy of each function's votes, [functions]."""
        classes = len(self.balance)
        table = self.mu.reshape(-1, classes, classes)
        right = np.einsum("fcc,c->f", table, self.balance)
        return np.asarray(np.clip(right / np.maximum(self.coverage, 1e-12), 1e-6, 1.0))

    def predict(self, votes: Votes) -> Probabilities:
        """Return the probability of each class, [rows, classes]; the class balance for a row without votes."""
        classes = len(self.balance)
        functions = len(self.mu) // classes
        logs = np.zeros((functions, classes + 1, classes))
        logs[:, 1:] = np.log(self.mu).reshape(functions, classes, classes)
        scores = np.tile(np.log(self.balance), (len(votes), 1))
        for function in range(functions):
            scores += logs[function][votes[:, function] - ABSTAIN]
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def fit(votes: Votes, balance: NDArray[np.float64], settings: FitSettings | None = None) -> LabelModel:
    """Learn a label model of the votes [rows, functions] and the class balance [classes].

    Raises LabelingError for fewer than three functions, no votes at all, votes that are no classes, a balance that is
    not positive or does not sum to 1, and a learning rate that diverges.
    """
    settings = settings or FitSettings()
    classes = len(balance)
    check_balance(balance)
    votes = check_votes(votes, classes)
    rows, functions = votes.shape
    if functions < FEWEST_FUNCTIONS:
        raise LabelingError(
            f"the label model: wanted at least {FEWEST_FUNCTIONS} labeling functions, got {functions}; with fewer, "
            "accuracies do not follow from agreements: add functions, or use method: majority"
        )
    if not (votes != ABSTAIN).any():
        raise LabelingError("the label model: wanted votes, but every function abstains on every row")
    overlaps = _overlaps(votes, classes)
    mu = _descend(overlaps, balance, settings)
    smallest = min(0.01, 1 / 10 ** np.ceil(np.log10(rows))) if rows > 1 else 0.01
    mu = _ordered(np.clip(mu, smallest, 1 - smallest), balance)
    return LabelModel(mu, balance, np.asarray((votes != ABSTAIN).mean(axis=0)))


def check_balance(balance: NDArray[np.float64]) -> None:
    """Raise LabelingError for a class balance that is not positive or does not sum to 1."""
    if not np.isfinite(balance).all() or (balance <= 0).any() or abs(float(balance.sum()) - 1) > 1e-6:
        raise LabelingError(
            f"class balance: wanted positive shares that sum to 1, got {', '.join(f'{one:g}' for one in balance)} "
            f"(sum {balance.sum():g})"
        )


def _overlaps(votes: Votes, classes: int) -> NDArray[np.float64]:
    """Return the share of rows with each pair of votes, [functions * classes, functions * classes]."""
    rows, functions = votes.shape
    counts = np.zeros((functions * classes,) * 2)
    for start, end in pairwise([*range(0, rows, _BLOCK), rows]):
        flags = one_hot(votes[start:end], classes)
        counts += flags.T @ flags
    return counts / rows


def _descend(overlaps: NDArray[np.float64], balance: NDArray[np.float64], settings: FitSettings) -> NDArray[np.float64]:
    """Minimize the distance to the observed overlaps by gradient descent with momentum."""
    size, classes = len(overlaps), len(balance)
    function = np.arange(size) // classes
    is_other = function[:, None] != function[None, :]
    observed = np.where(is_other, overlaps, 0.0)
    votes = np.diag(overlaps)
    start = np.zeros((size, classes))
    own = np.arange(size) % classes
    start[np.arange(size), own] = np.clip(votes * settings.precision / balance[own], 0, 1)
    # One number scales all of the start, as in snorkel, so that the order of the functions does not matter.
    mu = start * np.random.RandomState(settings.seed).random_sample()
    velocity = np.zeros_like(mu)
    for _ in range(settings.epochs):
        weighted = mu * balance
        residual = observed - np.where(is_other, weighted @ mu.T, 0.0)
        gradient = -4 * residual @ weighted
        gradient += 2 * np.outer(weighted.sum(axis=1) - votes, balance)
        # snorkel regularizes twice: by its loss, towards the start, and by its optimizer's weight decay, towards 0.
        gradient += 2 * settings.l2**2 * (mu - start) + settings.l2 * mu
        velocity = settings.momentum * velocity + gradient
        mu = mu - settings.learning_rate * velocity
    if not np.isfinite(mu).all():
        raise LabelingError(
            f"the label model: wanted finite probabilities, got NaN; lower learning_rate ({settings.learning_rate:g})"
        )
    return mu


def _ordered(mu: NDArray[np.float64], balance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give classes of the same share the order in which functions are right most often."""
    classes = len(balance)
    weighted = mu.reshape(-1, classes, classes).sum(axis=0) * balance
    order = np.arange(classes)
    for share in np.unique(balance.round(3)):
        group = np.flatnonzero(balance.round(3) == share)
        if len(group) > 1:
            _, column = linear_sum_assignment(-weighted[np.ix_(group, group)])
            order[group] = group[column]
    return mu[:, order]
