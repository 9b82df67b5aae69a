"""The explanation of one prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MAX_RESIDUAL = 1e-6
"""Largest residual of an explanation that adds up."""


@dataclass(frozen=True)
class Explained:
    """What each feature of a row adds to a prediction, from the mean prediction of the background rows."""

    output: int
    """The explained output: the most probable of several classes."""
    class_name: str
    """The class that it is the probability of; empty for a number, or where the model does not name its classes."""
    prediction: float
    """As the model answers the row."""
    base: float
    attributions: Mapping[str, float]
    """By feature; they and the base add up to the prediction."""
    every: NDArray[np.float64]
    """The same for all outputs, [features, outputs]."""
    scores: tuple[float, ...]
    """The model's answer in all its outputs."""
    words: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    """By text feature, its words in their order; they add up to the feature's part."""
    cells: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """By image feature, [rows of cells, columns of cells]; they add up to the feature's part."""
    evaluations: int = 0
    """Rows that the model scored for it."""
    is_exact: bool = False
    """Whether all coalitions were evaluated."""

    @property
    def residual(self) -> float:
        """What is missing between base and attributions and the prediction, relative to the largest of them or 1."""
        missing = self.prediction - self.base - sum(self.attributions.values())
        return abs(missing) / max(1.0, abs(self.prediction), abs(self.base))

    @property
    def adds_up(self) -> bool:
        """Whether the residual is at most MAX_RESIDUAL; False for NaN."""
        return self.residual <= MAX_RESIDUAL
