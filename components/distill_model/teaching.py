"""Trains a teacher, and predicts every training row with it, by members that have not seen the row where asked."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from artifacts.examples.names import TRAIN, VALIDATION
from components.distill_model.config import Config
from core.errors import TrainingError
from training.families.contender import Contender
from training.families.contest import Contest, Trained, mean_scores, skill
from training.fitting import Splits
from training.predictions import Predictions

log = logging.getLogger(__name__)
Values = npt.NDArray[np.floating[Any]]
FIRST_SEED = 1000
"""Teachers are seeded from here, so that none starts with a student's weights."""


class Taught(NamedTuple):
    """What a teacher says of the rows, and what it is."""

    training: Values
    """Its scores of the training rows, in their order: [rows] or [rows, classes]."""
    validation: Values
    on_training: float
    """Its skill on the rows that it was trained on."""
    on_validation: float
    is_out_of_fold: bool
    members: tuple[Trained, ...]

    @property
    def parameters(self) -> int:
        """Of all members."""
        return sum(one.parameters for one in self.members)


def teach(config: Config, contest: Contest, teacher: Contender, *, out_of_fold: bool | None = None) -> Taught:
    """Train all members, and predict the rows; `out_of_fold` overrides what the configuration says."""
    members = tuple(contest.train(teacher, FIRST_SEED + number, plain) for number in range(config.teacher.members))
    training, validation = (_scored(contest, members, split) for split in (TRAIN, VALIDATION))
    task = contest.settings.task
    on_training = skill(training, task, "distill_model: the teacher on the split 'train'")
    on_validation = skill(validation, task, "distill_model: the teacher on the split 'validation'")
    if out_of_fold is None:
        asked = config.teacher.out_of_fold
        overfitted = on_training - on_validation > config.teacher.overfitted_above
        out_of_fold = asked == "always" or (asked == "auto" and overfitted)
    log.info("teacher: %.4f on its training rows, %.4f on validation rows", on_training, on_validation)
    scores = _out_of_fold(config, contest, teacher, training) if out_of_fold else training.scores
    return Taught(scores, validation.scores, on_training, on_validation, out_of_fold, members)


def _scored(contest: Contest, members: Sequence[Trained], split: str) -> Predictions:
    session = contest.session
    return mean_scores(
        [session.predictions(one.model, session.rows(one.model, split, session.spans)) for one in members]
    )


def _out_of_fold(config: Config, contest: Contest, teacher: Contender, seen: Predictions) -> Values:
    """Predict each part of the training rows by members that were trained on the other parts alone."""
    rows, folds = len(seen.labels), config.teacher.folds
    if rows < folds:
        raise TrainingError(f"distill_model.teacher.folds: wanted at most {rows}, the training rows, got {folds}")
    part = np.random.default_rng((contest.settings.seed, folds)).permutation(rows) % folds
    scores = np.zeros_like(seen.scores)
    for fold in range(folds):
        members = [
            contest.train(teacher, FIRST_SEED + number, without(part == fold))
            for number in range(config.teacher.members)
        ]
        scores[part == fold] = _scored(contest, members, TRAIN).scores[part == fold]
    return scores


def plain(_: keras.Model, splits: Splits) -> None:
    """Give the rows of both splits their own labels and weights again."""
    for rows in splits:
        rows.replace()


def without(left_out: npt.NDArray[np.bool_]) -> Callable[[keras.Model, Splits], None]:
    """Give rows of the train split no weight in a training."""

    def prepare(_: keras.Model, splits: Splits) -> None:
        splits.training.replace()
        weights = [block[2] if len(block) == 3 else np.ones(len(block[1])) for block in splits.training.blocks()]
        splits.training.replace(weights=np.where(left_out, 0, np.concatenate(weights)))

    return prepare
