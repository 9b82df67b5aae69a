"""The rows of a split with the scores of models and baselines: the input of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from artifacts.evaluation.columns import Values
from artifacts.evaluation.population import Population
from artifacts.evaluation.slices import Column


@dataclass(frozen=True)
class ScoredRows:
    """Per row: the label, the scores of each predictor, and a code per sliced feature; a few tens of bytes."""

    labels: Values
    """[rows]: 0 or 1, a number, or the index of a class."""
    models: Mapping[str, Values]
    """Scores of the candidate and, when it could score the rows, the champion; each [rows] or [rows, classes]."""
    baselines: Mapping[str, Values]
    """Scores of the baselines by name; each [rows] or [rows, classes]."""
    columns: Mapping[str, Column]
    """The features to slice by."""
    weights: Values | None = None
    """The weight of each row, [rows]; None when all are 1."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of the scores; empty for regression."""
    champion_fault: str = ""
    """Why the champion could not score these rows; empty when it could."""
    population: Population | None = None
    """All rows, of which these are a sample; None when these are all."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Form of each model's output, such as `logits`, by model."""

    @property
    def rows(self) -> int:
        """Number of rows, of which there may be a sample here."""
        return len(self.labels) if self.population is None else self.population.rows

    @property
    def is_sample(self) -> bool:
        """Whether there are more rows than these."""
        return self.population is not None and self.population.sampled < self.population.rows

    def summary(self) -> "ScoredRows":
        """Return the same without the rows."""
        return replace(self, labels=np.zeros(0), models={}, baselines={}, columns={}, weights=None)
