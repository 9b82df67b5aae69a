"""What an evaluation is asked to measure; no more than that, so that any stage can ask for it."""

from dataclasses import dataclass, field

from core.problem import Task
from problems.kind import TfmaMetric

Features = tuple[str, ...]
"""Features whose values are crossed; one feature is a plain slice, none is all of the data."""
CANDIDATE = "candidate"
CHAMPION = "baseline"
"""The champion's name in TFMA's output, where it is the baseline that differences are taken against."""


@dataclass(frozen=True)
class Measures:
    """One evaluation."""

    label: str
    task: Task
    slices: tuple[Features, ...] = ()
    max_slices: int = 1000
    """Most slices of one cross that are measured, those with the most rows first."""
    more_metrics: tuple[TfmaMetric, ...] = ()
    decision_threshold: float = 0.5
    """The probability from which a row is called positive."""
    confidence: float = 0.95
    """Of the two-sided intervals of a gain."""
    min_examples: int = 1
    """Fewest rows of a slice that can be evaluated."""
    beam_options: tuple[str, ...] | None = field(default=None)
    """Beam's own flags where TFMA's pipeline sums up; None for this process."""
    batch_size: int = 8192
    """Rows that Beam is given at a time."""
