"""Recognizes logits, and converts them to probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.problem import ModelOutput

Values = NDArray[np.floating[Any]]


def are_logits(output: Values, declared: ModelOutput) -> bool:
    """Whether the outputs for all rows are logits: declared, or for `auto` one of them is outside [0, 1]."""
    if declared != "auto":
        return declared == "logits"
    finite = output[np.isfinite(output)]
    return bool(finite.size) and bool(finite.min() < 0 or finite.max() > 1)


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
