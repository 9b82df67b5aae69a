"""Trains students on a teacher's predictions, and the same models on the labels alone."""

from collections.abc import Callable

import keras

from components.distill_model.config import Config
from components.distill_model.soft_targets import SoftTargetLoss, targets
from components.distill_model.teaching import Taught, plain
from training.families.contender import Contender
from training.families.contest import Contest, Trained
from training.fitting import Splits


def train_student(config: Config, contest: Contest, student: Contender, seed: int, taught: Taught | None) -> Trained:
    """Train the small model for one seed: on labels and teacher, or from scratch where `taught` is None."""
    return contest.train(student, seed, plain if taught is None else _with_teacher(config, contest, taught))


def _with_teacher(config: Config, contest: Contest, taught: Taught) -> Callable[[keras.Model, Splits], None]:
    def prepare(model: keras.Model, splits: Splits) -> None:
        compile_for_teacher(model, SoftTargetLoss(contest.settings.task, config.alpha, config.temperature, model.loss))
        for rows, scores in zip(splits, (taught.training, taught.validation), strict=True):
            rows.replace()
            labels, _ = rows.labels_and_weights()
            rows.replace(targets=targets(labels, scores))

    return prepare


def compile_for_teacher(model: keras.Model, loss: SoftTargetLoss) -> None:
    """Replace a model's loss, and take away its metrics, which would compare predictions with the loss' targets."""
    model.compile(optimizer=model.optimizer, loss=loss, metrics=[], jit_compile=False)  # None would keep the metrics
