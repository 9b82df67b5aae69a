"""Scores the eval split with candidate, champion and baselines, batch by batch; only scores and labels are kept."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.evaluation.columns import Values, Vocabulary, categories, numbers
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column
from artifacts.evaluation.spec import CANDIDATE, CHAMPION
from artifacts.matrix.usable_features import UsableFeatures
from artifacts.predictions import parity
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.parity import ParityRow
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Block, Splits
from components.evaluate_model.baselines import Method, Sample, fit, fit_single_feature
from components.evaluate_model.champion import reason_not_comparable, reorder_classes
from components.evaluate_model.config import Config
from components.evaluate_model.leak import FeatureSkill
from components.evaluate_model.mistakes import Mistake, Mistakes, features_of
from core.errors import DataError, MlopsError
from problems import kind
from problems.kind import Scores


@dataclass(frozen=True)
class Models:
    """The models that score the same rows."""

    candidate: ScoringModel
    champion: ScoringModel | None


@dataclass(frozen=True)
class ScoredSplit:
    """The results of scoring the eval split."""

    rows: ScoredRows
    feature_skill: dict[str, float]
    """The skill of each raw feature by itself."""
    parity: tuple[ParityRow, ...]
    mistakes: tuple[Mistake, ...] = ()
    """The rows with the candidate's worst predictions."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Features that the baselines and the leak guard could not use, with the reason."""


def score(config: Config, splits: Splits, models: Models) -> ScoredSplit:
    """Fit the baselines on the train split, and score the eval split with models and baselines.

    Raises DataError for labels or weights that cannot be used, and for a model with another number of classes.
    """
    problem = kind(config.task)
    first = next(splits.blocks("eval", 1)).serialized
    candidate = models.candidate.with_class_names(first)
    width = candidate.width(first)
    if problem.has_classes and candidate.label.classes and len(candidate.label.classes) != width:
        raise DataError(
            f"{candidate.folder}: wanted a score for each of the {len(candidate.label.classes)} classes "
            f"({', '.join(candidate.label.classes[:10])}), got {width}; give the model as many outputs"
        )
    labels = LabelReader(candidate.label, width, candidate.folder)
    fitted = _fitted(config, splits, labels, width)
    scorer = _Scorer(config, Models(candidate, models.champion), labels, fitted, width)
    parity_rows: tuple[ParityRow, ...] = ()
    for block in splits.blocks("eval", config.batch_size):
        output = scorer.add(block)
        parity_rows = parity_rows or parity.choose(block.batch, output, _excluded(config), config.parity_examples)
    return scorer.result(parity_rows)


@dataclass(frozen=True)
class _Fitted:
    """The baselines and single-feature tables that were fitted on the train split."""

    methods: dict[str, Method] = field(default_factory=dict)
    skills: dict[str, FeatureSkill] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def _fitted(config: Config, splits: Splits, labels: LabelReader, width: int) -> _Fitted:
    """Fit the baselines and, for the leak guard, a table per feature; reads nothing when neither is configured."""
    guarded = config.leak.feature_above is not None
    if not config.baselines and not guarded:
        return _Fitted()
    block = splits.sample("train", config.baseline_examples, config.seed)
    targets = kind(config.task).targets(labels(block), width)
    usable = UsableFeatures.of(block.batch, splits.schema, _excluded(config))
    sample = Sample(block.batch, targets, config.task, usable, _weights(config, block))
    left_out = dict(usable.left_out)
    skills = {}
    if guarded:
        for name in usable.single:
            skills[name] = FeatureSkill(config.task, fit_single_feature(name, sample, smoothing=20))
        for name in (*usable.vectors, *usable.texts, *usable.pictures):
            left_out[name] = "no single value a row"
    return _Fitted({baseline.name: fit(baseline, sample) for baseline in config.baselines}, skills, left_out)


def _excluded(config: Config) -> set[str]:
    """Return the columns that are not features of the model: label and weight."""
    return {config.label} if config.weight is None else {config.label, config.weight}


def _weights(config: Config, block: Block) -> Values | None:
    """Return the weight of each row, [rows]; DataError for one that is negative or not finite."""
    if config.weight is None:
        return None
    weights = numbers(block.batch, config.weight)
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        raise DataError(
            f"problem.weight {config.weight!r}: wanted a number of at least 0 in every row, got another value in "
            f"{wrong.sum()} of {len(weights)} rows (such as {weights[wrong][0]})"
        )
    return weights


@dataclass
class _Scorer:
    """Scores batches and collects what an evaluation needs of them."""

    config: Config
    models: Models
    labels: LabelReader
    fitted: _Fitted
    width: int
    parts: dict[str, list[Values]] = field(default_factory=dict)
    codes: dict[str, list[Any]] = field(default_factory=dict)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    champion: ScoringModel | None = None
    champion_fault: str = ""
    mistakes: Mistakes = field(default_factory=Mistakes)

    def add(self, block: Block) -> Values:
        """Score a batch with models and baselines; returns the candidate's raw output."""
        labels = self.labels(block)
        targets = kind(self.config.task).targets(labels, self.width)
        output = self.models.candidate.predictor(block.serialized)
        self._keep("label", labels)
        weights = _weights(self.config, block)
        if weights is not None:
            self._keep("weight", weights)
        self._keep_mistakes(block, labels, output)
        self._keep(CANDIDATE, output)
        self._score_champion(block.serialized)
        for name, method in self.fitted.methods.items():
            self._keep(f"baseline {name}", method.predict(block.batch).astype(np.float32))
        for skill in self.fitted.skills.values():
            skill.add(block.batch, targets)
        for name in set(chain.from_iterable(self.config.slices)):
            vocabulary = self.vocabularies.setdefault(name, Vocabulary())
            self.codes.setdefault(name, []).append(vocabulary.add(*categories(block.batch, name)))
        return output

    def _score_champion(self, rows: tf.Tensor) -> None:
        if self.models.champion is None or self.champion_fault:
            return
        try:
            if self.champion is None:
                self.champion = self.models.champion.with_class_names(rows[:1])
                self.champion_fault = reason_not_comparable(self.models.candidate.label, self.champion.label)
            if not self.champion_fault:
                self._keep(CHAMPION, self.champion.predictor(rows))
        except tf.errors.OpError as error:
            # TensorFlow's message has the traceback first, then the reason, then the name of the node.
            lines = [line for line in str(error.message).split("\n\t [[")[0].splitlines() if line]
            self.champion_fault = lines[-1] if lines else type(error).__name__
        except MlopsError as error:
            self.champion_fault = str(error)

    def _keep_mistakes(self, block: Block, labels: Values, output: Values) -> None:
        problem, label = kind(self.config.task), self.models.candidate.label
        scores = problem.scores(output, label.output).values
        errors = problem.row_errors(labels, scores)
        for row in self.mistakes.worst_of(errors):
            features = features_of(block.batch, row, _excluded(self.config))
            shown, predicted = (
                problem.describe_label(labels[row], label.classes),
                problem.describe_prediction(scores[row], label.classes),
            )
            self.mistakes.add(float(errors[row]), Mistake(features, shown, predicted))

    def _keep(self, name: str, values: Values) -> None:
        self.parts.setdefault(name, []).append(values)

    def result(self, parity_rows: tuple[ParityRow, ...]) -> ScoredSplit:
        """Concatenate the batches; whether an output has logits is decided on all rows, so scores are computed here."""
        columns = {name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)}
        problem = kind(self.config.task)
        candidate_label = self.models.candidate.label
        scores = {CANDIDATE: problem.scores(columns[CANDIDATE], candidate_label.output)}
        if self.champion is not None and not self.champion_fault:
            champion_label = self.champion.label
            values, form = problem.scores(columns[CHAMPION], champion_label.output)
            scores[CHAMPION] = Scores(reorder_classes(candidate_label, champion_label, values), form)
        rows = ScoredRows(
            labels=columns["label"],
            models={name: found.values for name, found in scores.items()},
            baselines={name: columns[f"baseline {name}"] for name in self.fitted.methods},
            columns={
                name: Column(np.concatenate(codes), self.vocabularies[name].values)
                for name, codes in self.codes.items()
            },
            weights=columns.get("weight"),
            classes=candidate_label.classes,
            champion_fault=self.champion_fault,
            notes={name: found.form for name, found in scores.items()},
        )
        skills = {name: skill.value() for name, skill in self.fitted.skills.items()}
        return ScoredSplit(rows, skills, parity_rows, self.mistakes.worst(), self.fitted.left_out)
