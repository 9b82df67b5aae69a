"""The specification of an evaluation; independent of any stage's configuration, so that every stage can evaluate."""

from dataclasses import dataclass

from core.problem import Task
from problems.kind import TfmaMetric

Features = tuple[str, ...]
"""Features whose values are crossed; one feature is a plain slice, none is all of the data."""
CANDIDATE = "candidate"
CHAMPION = "baseline"
"""The champion's name in TFMA's output, where it is the baseline that differences are taken against."""


@dataclass(frozen=True)
class EvaluationSpec:
    """What an evaluation computes, and how."""

    label: str
    task: Task
    slices: tuple[Features, ...] = ()
    max_slices: int = 1000
    """Maximum number of slices per cross; those with the most rows are evaluated."""
    more_metrics: tuple[TfmaMetric, ...] = ()
    decision_threshold: float = 0.5
    """Rows with at least this probability are predicted positive."""
    confidence: float = 0.95
    """Level of the two-sided confidence intervals of a gain, from 0 to 1."""
    min_examples: int = 1
    """Minimum number of rows of the split; with fewer the result has a fault."""
