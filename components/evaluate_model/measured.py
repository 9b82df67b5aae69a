"""What an evaluation is decided by."""

from collections.abc import Sequence
from typing import NamedTuple

from artifacts.evaluation.result import EvaluationResult
from components.evaluate_model.scored_parts import ScoredSplit
from core.pictures import Markup
from problems.labels import TrainedLabel


class Measured(NamedTuple):
    """The scored eval split with its numbers, which were computed in this process or by workers."""

    label: TrainedLabel
    """What the candidate was trained on."""
    scored: ScoredSplit
    """Without its rows where workers have them."""
    result: EvaluationResult
    plots: Sequence[Markup]
    """Of the problem's kind; none with faults."""
