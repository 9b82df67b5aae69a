"""The rows of a split with everybody's scores: all that an evaluation is computed from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from artifacts.evaluation.columns import Values
from artifacts.evaluation.slices import Column


@dataclass(frozen=True)
class ScoredRows:
    """A few tens of bytes a row: the label, a number (per class) from each predictor, a code per sliced feature."""

    labels: Values
    """[rows]: 0 or 1, a number, or the index of a class."""
    models: Mapping[str, Values]
    """Scores of the candidate and, if there is one that answers, the champion."""
    baselines: Mapping[str, Values]
    """Scores of the baselines by their names."""
    columns: Mapping[str, Column]
    """The features that slices are made of."""
    weights: Values | None = None
    """How much each row counts; None when all count the same."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of the scores; empty for numbers."""
    champion_fault: str = ""
    """Why the champion could not score these rows; empty when it could."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What was done to a model's output, by model, such as `logits`."""
