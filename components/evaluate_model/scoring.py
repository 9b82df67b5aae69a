"""Fits the baselines and scores the eval split, in this process or on Beam."""

from artifacts.matrix.usable_features import UsableFeatures
from artifacts.predictions import parity
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.parity import ParityRow
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Block, Splits
from components.evaluate_model.baselines import Sample, fit, fit_single_feature
from components.evaluate_model.config import Config
from components.evaluate_model.leak import FeatureSkill
from components.evaluate_model.models import Models
from components.evaluate_model.scored_parts import Fitted, ScoredSplit, combined, skills_of, worst_of
from components.evaluate_model.scorer import Scorer, excluded, weights_of
from core.errors import DataError
from problems import kind


def score(config: Config, splits: Splits, models: Models) -> ScoredSplit:
    """Fit the baselines on the train split, and score the eval split with models and baselines.

    Raises DataError for labels or weights that cannot be used, and for a model with another number of classes.
    """
    candidate, width = prepared(models.candidate, next(splits.blocks("eval", 1)))
    labels = LabelReader(candidate.label, width, candidate.folder)
    fitted = Fitted()
    if needs_training_rows(config):
        fitted = fit_all(config, splits, splits.sample("train", config.baseline_examples, config.seed), labels)
    scorer = Scorer(config, Models(candidate, models.champion), labels, fitted, width)
    parity_rows: tuple[ParityRow, ...] = ()
    for block in splits.blocks("eval", config.batch_size):
        output = scorer.add(block)
        parity_rows = parity_rows or parity.choose(block.batch, output, excluded(config), config.parity_examples)
    parts = [scorer.part()]
    rows = combined(candidate.label, fitted, parts, {})
    return ScoredSplit(rows, skills_of(fitted, parts), parity_rows, worst_of(parts), fitted.left_out)


def prepared(candidate: ScoringModel, first: Block) -> tuple[ScoringModel, int]:
    """Return the candidate with the names of its classes, and its number of outputs; DataError where they disagree."""
    candidate = candidate.with_class_names(first.serialized)
    width = candidate.width(first.serialized)
    if kind(candidate.label.task).has_classes and candidate.label.classes and len(candidate.label.classes) != width:
        raise DataError(
            f"{candidate.folder}: wanted a score for each of the {len(candidate.label.classes)} classes "
            f"({', '.join(candidate.label.classes[:10])}), got {width}; give the model as many outputs"
        )
    return candidate, width


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
