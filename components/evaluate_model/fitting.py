"""Fits the baselines and the tables of single features on rows of the train split."""

from artifacts.matrix.usable_features import UsableFeatures
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.split import Block, Splits
from components.evaluate_model.baselines import Sample, fit, fit_single_feature
from components.evaluate_model.config import Config
from components.evaluate_model.leak import FeatureSkill
from components.evaluate_model.scored_parts import Fitted
from components.evaluate_model.scorer import excluded, weights_of
from problems import kind


def needs_training_rows(config: Config) -> bool:
    """Whether anything is fitted on the train split."""
    return bool(config.baselines) or config.leak.feature_above is not None


def fit_all(config: Config, splits: Splits, block: Block, labels: LabelReader) -> Fitted:
    """Fit the baselines and, for the leak guard, a table per feature, on rows of the train split."""
    targets = kind(config.task).targets(labels(block), labels.width)
    usable = UsableFeatures.of(block.batch, splits.schema, excluded(config))
    sample = Sample(block.batch, targets, config.task, usable, weights_of(config, block))
    left_out = dict(usable.left_out)
    skills = {}
    if config.leak.feature_above is not None:
        for name in usable.single:
            skills[name] = FeatureSkill(config.task, fit_single_feature(name, sample, smoothing=20))
        for name in (*usable.vectors, *usable.texts, *usable.pictures):
            left_out[name] = "no single value a row"
    return Fitted({baseline.name: fit(baseline, sample) for baseline in config.baselines}, skills, left_out)
