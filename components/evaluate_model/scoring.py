"""Lets candidate, champion and baselines score the same rows, batch by batch; of a row only its scores stay."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.evaluation.columns import Values, Vocabulary, categories, numbers
from artifacts.evaluation.measures import CANDIDATE, CHAMPION
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column
from artifacts.model import label as label_file
from artifacts.predictions import parity
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.parity import ParityRow
from artifacts.predictions.predictor import Predictor, saved_model
from artifacts.predictions.split import Block, Splits
from components.evaluate_model.baselines import Method, Sample, fit, one_feature
from components.evaluate_model.champion import in_order, obstacle
from components.evaluate_model.config import Config
from components.evaluate_model.leak import FeatureSkill
from components.evaluate_model.mistakes import Mistake, Mistakes, features_of
from components.evaluate_model.usable import Usable
from core.errors import DataError, MlopsError
from problems import kind
from problems.kind import Scores
from problems.labels import TrainedLabel


@dataclass(frozen=True)
class Model:
    """A model that scores rows, and the label that it was trained on."""

    predictor: Predictor
    label: TrainedLabel
    folder: Path
    """What train_model wrote, or the published SavedModel."""

    @classmethod
    def load(cls, folder: Path, config: Config) -> "Model":
        """Load a model; one that says nothing of its label was trained on the raw one."""
        found = saved_model(folder)
        label = label_file.read(found) or TrainedLabel(config.label, config.task, output=config.model_output)
        return cls(Predictor(found, config.task), label, folder)

    def named(self, first: tf.Tensor) -> "Model":
        """Complete the classes' names: by the model's own answer to a row, or by their numbers."""
        output = self.predictor(first)
        width = output.shape[1] if output.ndim == 2 else 2
        names = self.label.classes or self.predictor.classes(first)
        if not kind(self.label.task).has_classes:
            names = ()
        elif names and len(names) < width:
            names = (*names, *map(str, range(len(names), width)))
        return replace(self, label=replace(self.label, classes=names))


@dataclass(frozen=True)
class Models:
    """The models that score the same rows."""

    candidate: Model
    champion: Model | None


@dataclass(frozen=True)
class Scored:
    """Everything that the eval split gave."""

    rows: ScoredRows
    feature_skill: dict[str, float]
    """What each raw feature alone tells of the label."""
    parity: tuple[ParityRow, ...]
    mistakes: tuple[Mistake, ...] = ()
    """The rows that the candidate is most wrong about."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Features that the baselines and the leak guard could not use, and why."""


def score(config: Config, splits: Splits, models: Models) -> Scored:
    """Fit the baselines on the train split and let everybody score the eval split."""
    problem = kind(config.task)
    first = next(splits.blocks("eval", 1)).serialized
    candidate = models.candidate.named(first)
    probe = candidate.predictor(first)
    width = probe.shape[1] if probe.ndim == 2 else 2
    if problem.has_classes and candidate.label.classes and len(candidate.label.classes) != width:
        raise DataError(
            f"{candidate.folder}: wanted a score for each of the {len(candidate.label.classes)} classes "
            f"({', '.join(candidate.label.classes[:10])}), got {width}; give the model as many outputs"
        )
    labels = LabelReader(candidate.label, width, candidate.folder)
    fitted = _fitted(config, splits, labels, width)
    collected = _Collected(config, Models(candidate, models.champion), labels, fitted, width)
    kept: tuple[ParityRow, ...] = ()
    for block in splits.blocks("eval", config.batch_size):
        output = collected.add(block)
        kept = kept or parity.choose(block.batch, output, _unseen(config), config.parity_examples)
    return collected.result(kept)


@dataclass(frozen=True)
class _Fitted:
    """What was fitted on the train split."""

    methods: dict[str, Method] = field(default_factory=dict)
    skills: dict[str, FeatureSkill] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def _fitted(config: Config, splits: Splits, labels: LabelReader, width: int) -> _Fitted:
    """Fit the baselines and, for the leak guard, a table per feature; nothing is read when neither is asked for."""
    guarded = config.leak.feature_above is not None
    if not config.baselines and not guarded:
        return _Fitted()
    drawn = splits.sample("train", config.baseline_examples, config.seed)
    targets = kind(config.task).targets(labels(drawn), width)
    usable = Usable.of(drawn.batch, splits.schema, _unseen(config))
    sample = Sample(drawn.batch, targets, config.task, usable, _weights(config, drawn))
    tables = {name: one_feature(name, sample, smoothing=20) for name in usable.single if guarded}
    several = (*usable.vectors, *usable.texts, *usable.pictures)
    return _Fitted(
        {baseline.name: fit(baseline, sample) for baseline in config.baselines},
        {name: FeatureSkill(config.task, table) for name, table in tables.items()},
        usable.left_out | {name: "no single value a row" for name in several if guarded},
    )


def _unseen(config: Config) -> set[str]:
    """Name what is no feature of the model."""
    return {config.label} if config.weight is None else {config.label, config.weight}


def _weights(config: Config, block: Block) -> Values | None:
    """Return how much each row counts; DataError for what is no weight."""
    if config.weight is None:
        return None
    weights = numbers(block.batch, config.weight)
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        raise DataError(
            f"problem.weight {config.weight!r}: wanted a number from 0 in every row, got {wrong.sum()} of "
            f"{len(weights)} rows without (such as {weights[wrong][0]})"
        )
    return weights


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
    champion: Model | None = None
    champion_fault: str = ""
    mistakes: Mistakes = field(default_factory=Mistakes)

    def add(self, block: Block) -> Values:
        """Let everybody score a batch; returns the candidate's raw output."""
        labels = self.labels(block)
        targets = kind(self.config.task).targets(labels, self.width)
        output = self.models.candidate.predictor(block.serialized)
        self._keep("label", labels)
        if (weights := _weights(self.config, block)) is not None:
            self._keep("weight", weights)
        self._keep_mistakes(block, labels, output)
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
            if self.champion is None:
                self.champion = self.models.champion.named(rows[:1])
                self.champion_fault = obstacle(self.models.candidate.label, self.champion.label)
            if not self.champion_fault:
                self._keep(CHAMPION, self.champion.predictor(rows))
        except tf.errors.OpError as error:
            # TensorFlow puts what happened between where it happened and the name of the node.
            lines = [line for line in str(error.message).split("\n\t [[")[0].splitlines() if line]
            self.champion_fault = lines[-1] if lines else type(error).__name__
        except MlopsError as error:
            self.champion_fault = str(error)

    def _keep_mistakes(self, block: Block, labels: Values, output: Values) -> None:
        problem, label = kind(self.config.task), self.models.candidate.label
        scores = problem.scores(output, label.output).values
        wrongness = problem.wrongness(labels, scores)
        for row in self.mistakes.wants(wrongness):
            features = features_of(block.batch, row, _unseen(self.config))
            truth, predicted = problem.shown(labels[row], label.classes), problem.answer(scores[row], label.classes)
            self.mistakes.add(float(wrongness[row]), Mistake(features, truth, predicted))

    def _keep(self, name: str, values: Values) -> None:
        self.parts.setdefault(name, []).append(values)

    def result(self, kept: tuple[ParityRow, ...]) -> Scored:
        """Put the batches together; outputs become scores now that all of them are there."""
        whole = {name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)}
        problem = kind(self.config.task)
        ours = self.models.candidate.label
        scores = {CANDIDATE: problem.scores(whole[CANDIDATE], ours.output)}
        if self.champion is not None and not self.champion_fault:
            theirs = self.champion.label
            values, form = problem.scores(whole[CHAMPION], theirs.output)
            scores[CHAMPION] = Scores(in_order(ours, theirs, values), form)
        rows = ScoredRows(
            labels=whole["label"],
            models={name: found.values for name, found in scores.items()},
            baselines={name: whole[f"baseline {name}"] for name in self.fitted.methods},
            columns={
                name: Column(np.concatenate(codes), self.vocabularies[name].values)
                for name, codes in self.codes.items()
            },
            weights=whole.get("weight"),
            classes=ours.classes,
            champion_fault=self.champion_fault,
            notes={name: found.form for name, found in scores.items()},
        )
        skills = {name: skill.value() for name, skill in self.fitted.skills.items()}
        return Scored(rows, skills, kept, self.mistakes.worst(), self.fitted.left_out)
