"""Lets candidate, champion and baselines score the same rows, batch by batch; of a row only its scores stay."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.evaluation.columns import Values, Vocabulary, categories
from artifacts.evaluation.measures import CANDIDATE, CHAMPION
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column
from artifacts.predictions import parity
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.parity import ParityRow
from artifacts.predictions.predictor import Predictor
from artifacts.predictions.split import Block, Splits
from components.evaluate_model.baselines import Method, Sample, fit, one_feature
from components.evaluate_model.config import Config
from components.evaluate_model.leak import FeatureSkill
from problems import kind


@dataclass(frozen=True)
class Models:
    """The models that score the same rows."""

    candidate: Predictor
    champion: Predictor | None


@dataclass(frozen=True)
class Scored:
    """Everything that the eval split gave."""

    rows: ScoredRows
    feature_skill: dict[str, float]
    """What each raw feature alone tells of the label."""
    parity: tuple[ParityRow, ...]


def score(config: Config, splits: Splits, models: Models) -> Scored:
    """Fit the baselines on the train split and let everybody score the eval split."""
    problem = kind(config.task)
    first = next(splits.blocks("eval", 1)).serialized
    probe = models.candidate(first)
    classes = models.candidate.classes(first) if problem.has_classes and probe.ndim == 2 else ()
    width = probe.shape[1] if probe.ndim == 2 else 2
    labels = LabelReader(config.label, config.task, classes, width)
    fitted = _fitted(config, splits, labels, width)
    collected = _Collected(config, models, labels, fitted, width)
    kept: tuple[ParityRow, ...] = ()
    for block in splits.blocks("eval", config.batch_size):
        output = collected.add(block)
        kept = kept or parity.choose(block.batch, output, {config.label}, config.parity_examples)
    return collected.result(classes, kept)


@dataclass(frozen=True)
class _Fitted:
    """What was fitted on the train split."""

    methods: dict[str, Method] = field(default_factory=dict)
    skills: dict[str, FeatureSkill] = field(default_factory=dict)


def _fitted(config: Config, splits: Splits, labels: LabelReader, width: int) -> _Fitted:
    """Fit the baselines and, for the leak guard, a table per feature; nothing is read when neither is asked for."""
    guarded = config.leak.feature_above is not None
    if not config.baselines and not guarded:
        return _Fitted()
    drawn = splits.sample("train", config.baseline_examples, config.seed)
    targets = kind(config.task).targets(labels(drawn), width)
    sample = Sample.of(drawn.batch, targets, config.task, splits.schema, config.label)
    tables = {name: one_feature(name, sample, smoothing=20) for name in sample.features if guarded}
    return _Fitted(
        {baseline.name: fit(baseline, sample) for baseline in config.baselines},
        {name: FeatureSkill(config.task, table) for name, table in tables.items()},
    )


@dataclass
class _Collected:
    """What is kept of the rows, batch after batch."""

    config: Config
    models: Models
    labels: LabelReader
    fitted: _Fitted
    width: int
    parts: dict[str, list[Values]] = field(default_factory=dict)
    codes: dict[str, list[Any]] = field(default_factory=dict)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    champion_fault: str = ""

    def add(self, block: Block) -> Values:
        """Let everybody score a batch; returns the candidate's raw output."""
        labels = self.labels(block)
        targets = kind(self.config.task).targets(labels, self.width)
        output = self.models.candidate(block.serialized)
        self._keep("label", labels)
        self._keep(CANDIDATE, output)
        self._ask_champion(block.serialized)
        for name, method in self.fitted.methods.items():
            self._keep(f"baseline {name}", method.predict(block.batch).astype(np.float32))
        for skill in self.fitted.skills.values():
            skill.add(block.batch, targets)
        for name in {name for features in self.config.slices for name in features}:
            vocabulary = self.vocabularies.setdefault(name, Vocabulary())
            self.codes.setdefault(name, []).append(vocabulary.add(*categories(block.batch, name)))
        return output

    def _ask_champion(self, rows: tf.Tensor) -> None:
        if self.models.champion is None or self.champion_fault:
            return
        try:
            self._keep(CHAMPION, self.models.champion(rows))
        except tf.errors.OpError as error:
            # TensorFlow puts what happened between where it happened and the name of the node.
            lines = [line for line in str(error.message).split("\n\t [[")[0].splitlines() if line]
            self.champion_fault = lines[-1] if lines else type(error).__name__

    def _keep(self, name: str, values: Values) -> None:
        self.parts.setdefault(name, []).append(values)

    def result(self, classes: tuple[str, ...], kept: tuple[ParityRow, ...]) -> Scored:
        """Put the batches together; outputs become scores now that all of them are there."""
        whole = {name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)}
        problem = kind(self.config.task)
        names = (CANDIDATE,) if self.champion_fault else (CANDIDATE, CHAMPION)
        scores = {name: problem.scores(whole[name], self.config.model_output) for name in names if name in whole}
        rows = ScoredRows(
            labels=whole["label"],
            models={name: found.values for name, found in scores.items()},
            baselines={name: whole[f"baseline {name}"] for name in self.fitted.methods},
            columns={
                name: Column(np.concatenate(codes), self.vocabularies[name].values)
                for name, codes in self.codes.items()
            },
            classes=classes,
            champion_fault=self.champion_fault,
            notes={name: found.form for name, found in scores.items()},
        )
        return Scored(rows, {name: skill.value() for name, skill in self.fitted.skills.items()}, kept)
