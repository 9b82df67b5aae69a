"""Recognizes logits, and converts them to probabilities."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.problem import ModelOutput

Values = NDArray[np.floating[Any]]


_SUM_TOLERANCE = 1e-3
"""Probabilities of a row whose sum differs from 1 by more do not add up."""


class OutputFacts(NamedTuple):
    """What decides how a model's output is read; those of several parts of the rows can be added."""

    is_outside: bool
    """Whether a finite value is outside [0, 1]."""
    adds_up: bool = True
    """Whether the sum of each row is 1."""
    can_be_scaled: bool = True
    """Whether no value is negative or missing, and each row has one above 0."""

    @classmethod
    def of(cls, output: Values) -> "OutputFacts":
        """Look at the output for some rows, [rows] or [rows, classes]."""
        finite = output[np.isfinite(output)]
        is_outside = bool(finite.size) and bool(finite.min() < 0 or finite.max() > 1)
        if output.ndim == 1:
            return cls(is_outside)
        sums = output.sum(axis=1)
        adds_up = not (np.abs(sums - 1) > _SUM_TOLERANCE).any()
        return cls(is_outside, adds_up, bool((output >= 0).all() and (sums > 0).all()))

    def plus(self, other: "OutputFacts") -> "OutputFacts":
        """Return what holds for the rows of both."""
        return OutputFacts(
            self.is_outside or other.is_outside,
            self.adds_up and other.adds_up,
            self.can_be_scaled and other.can_be_scaled,
        )


def are_logits(output: Values, declared: ModelOutput, facts: OutputFacts | None = None) -> bool:
    """Whether outputs are logits: declared, or for `auto` one is outside [0, 1]; `facts` are those of all rows."""
    if declared != "auto":
        return declared == "logits"
    return (facts or OutputFacts.of(output)).is_outside


def sigmoid(logits: Values) -> NDArray[np.float32]:
    """Return the probability of each logit."""
    values = logits.astype(np.float64)
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)), np.float32)


def softmax(logits: Values) -> NDArray[np.float32]:
    """Return probabilities, [rows, classes], whose sum is 1 in every row."""
    values = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):
        raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
