"""Makes one label for each row of those that several annotators gave: by majority, or by Dawid and Skene's model."""

from dataclasses import dataclass

import numpy as np

from components.import_labels.votes import Floats, Places, Votes

_SMALLEST = 1e-10
"""Lowest probability, so that logarithms are finite."""
_ITERATIONS, _TOLERANCE = 100, 1e-5


@dataclass(frozen=True)
class Aggregated:
    """The labels of rows."""

    probabilities: Floats
    """[rows, classes]"""
    errors: Floats
    """How annotators label: the probability of each label given each true class, [annotators, label, true class]; 0
    for a label that an annotator never gave."""

    @property
    def labels(self) -> Places:
        """The most probable class of each row, [rows]; of equal ones the first."""
        found: Places = self.probabilities.argmax(axis=1)
        return found


def majority(votes: Votes, gold: Places | None = None) -> Aggregated:
    """Return the share of each label; `gold` has the true class of each row, [rows], -1 where it is not known."""
    counts = votes.counts()
    shares = _with_gold(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), gold)
    return Aggregated(shares, _errors(votes, shares))


def dawid_skene(votes: Votes, gold: Places | None = None) -> Aggregated:
    """Fit the model of A. P. Dawid and A. M. Skene (1979) by expectation maximization, from the majority on.

    Each annotator has a confusion matrix, which is learned from the votes alone. It works on the list of votes, so time
    and memory grow with their number, not with rows times annotators. `gold` as for `majority`.
    """
    probabilities = majority(votes, gold).probabilities
    priors, errors = probabilities.mean(axis=0), _errors(votes, probabilities)
    before = -np.inf
    for _ in range(_ITERATIONS):
        priors = np.maximum(priors, _SMALLEST)
        likelihoods = np.log(priors) + _per_row(votes, np.log(np.where(errors > 0, errors, 1)))
        scaled = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True))
        probabilities = _with_gold(scaled / scaled.sum(axis=1, keepdims=True), gold)
        priors, errors = probabilities.mean(axis=0), _errors(votes, probabilities)
        bound = _evidence(votes, probabilities, priors, errors)
        if bound - before < _TOLERANCE:
            break
        before = bound
    return Aggregated(probabilities, errors)


def _per_row(votes: Votes, values: Floats) -> Floats:
    """Return the sums of `values[annotator, label]` over the votes of each row, [rows, classes]."""
    of_votes = values[votes.annotator, votes.label]
    sums = [np.bincount(votes.row, of_votes[:, true], len(votes.rows)) for true in range(len(votes.classes))]
    return np.stack(sums, axis=1)


def _errors(votes: Votes, probabilities: Floats) -> Floats:
    """Return the probability of each label that an annotator gave, given the true class."""
    shape = (len(votes.annotators), len(votes.classes))
    cells = votes.annotator * shape[1] + votes.label
    given = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(*shape, 1) > 0
    sums = [
        np.bincount(cells, probabilities[votes.row, true], shape[0] * shape[1]).reshape(shape)
        for true in range(shape[1])
    ]
    counts = np.where(given, np.maximum(np.stack(sums, axis=2), _SMALLEST), 0)
    errors: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), _SMALLEST)
    return errors


def _evidence(votes: Votes, probabilities: Floats, priors: Floats, errors: Floats) -> float:
    """Return the lower bound of the evidence for each vote, whose growth decides when to stop."""
    logs = np.log(np.where(errors > 0, errors, 1)) + np.log(np.maximum(priors, _SMALLEST))
    expected = (probabilities * _per_row(votes, logs)).sum()
    safe = np.maximum(probabilities, _SMALLEST)
    return float((expected - (safe * np.log(safe)).sum()) / max(len(votes.row), 1))


def _with_gold(probabilities: Floats, gold: Places | None) -> Floats:
    if gold is None:
        return probabilities
    known = np.flatnonzero(gold >= 0)
    probabilities[known] = 0
    probabilities[known, gold[known]] = 1
    return probabilities
