"""The champion's scores of rows that come in batches, until it turns out that they say nothing."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from artifacts.evaluation.columns import Values
from artifacts.predictions.scoring_model import ScoringModel
from components.evaluate_model.champion import reason_not_comparable
from core.errors import MlopsError
from problems.labels import TrainedLabel


class ChampionPart(NamedTuple):
    """What the champion gave for some rows."""

    output: Values | None
    """Its raw output, [rows] or [rows, columns]; None without one."""
    label: TrainedLabel | None
    fault: str
    """Why it could not score all rows, or cannot be compared with the candidate; "" when it could."""

    def compared_with(self, candidate: TrainedLabel) -> "ChampionPart":
        """Return the same, or, without scores, why they cannot be compared with those of a candidate."""
        fault = "" if self.label is None else reason_not_comparable(candidate, self.label)
        return self._replace(output=None, fault=fault) if fault else self


@dataclass
class ChampionScores:
    """Scores rows with the champion, batch by batch; a champion that fails is no reason to evaluate nothing."""

    model: ScoringModel
    outputs: list[Values] = field(default_factory=list)
    label: TrainedLabel | None = None
    fault: str = ""

    def add(self, rows: tf.Tensor) -> None:
        """Score a batch of serialized tf.Examples, unless an earlier one has failed."""
        if self.fault:
            return
        try:
            if self.label is None:
                self.model = self.model.with_class_names(rows[:1])
                self.label = self.model.label
            self.outputs.append(self.model.predictor(rows))
        except tf.errors.OpError as error:
            # TensorFlow's message has the traceback first, then the reason, then the name of the node.
            lines = [line for line in str(error.message).split("\n\t [[")[0].splitlines() if line]
            self.fault = lines[-1] if lines else type(error).__name__
        except MlopsError as error:
            self.fault = str(error)

    def part(self) -> ChampionPart:
        """Return what was collected."""
        return ChampionPart(np.concatenate(self.outputs) if self.outputs else None, self.label, self.fault)
