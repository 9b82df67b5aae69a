"""Scores rows with candidate, champion and baselines, batch by batch; only scores and labels are kept."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from artifacts.evaluation.columns import Values, Vocabulary, categories, numbers
from artifacts.evaluation.slices import Column
from artifacts.evaluation.spec import CANDIDATE
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.split import Block
from components.evaluate_model.champion_scores import ChampionScores
from components.evaluate_model.config import Config
from components.evaluate_model.mistakes import Mistake, Mistakes, features_of
from components.evaluate_model.models import Models
from components.evaluate_model.scored_parts import LABEL, WEIGHT, Fitted, ScoredPart
from core.errors import DataError
from problems import kind


@dataclass
class Scorer:
    """Scores batches and collects what an evaluation needs of them."""

    config: Config
    models: Models
    labels: LabelReader
    fitted: Fitted
    width: int
    parts: dict[str, list[Values]] = field(default_factory=dict)
    codes: dict[str, list[Any]] = field(default_factory=dict)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    mistakes: Mistakes = field(default_factory=Mistakes)
    champion: ChampionScores | None = field(init=False)

    def __post_init__(self) -> None:
        champion = self.models.champion
        self.champion = None if champion is None else ChampionScores(champion)

    def add(self, block: Block, output: Values) -> None:
        """Score a batch with the champion and the baselines; `output` is the candidate's raw output for it."""
        labels = self.labels(block)
        targets = kind(self.config.task).targets(labels, self.width)
        self._keep(LABEL, labels)
        weights = weights_of(self.config, block)
        if weights is not None:
            self._keep(WEIGHT, weights)
        self._keep_mistakes(block, labels, output)
        self._keep(CANDIDATE, output)
        if self.champion is not None:
            self.champion.add(block.serialized)
        for name, method in self.fitted.methods.items():
            self._keep(f"baseline {name}", method.predict(block.batch).astype(np.float32))
        for skill in self.fitted.skills.values():
            skill.add(block.batch, targets)
        for name in set(chain.from_iterable(self.config.slices)):
            vocabulary = self.vocabularies.setdefault(name, Vocabulary())
            self.codes.setdefault(name, []).append(vocabulary.add(*categories(block.batch, name)))

    def _keep_mistakes(self, block: Block, labels: Values, output: Values) -> None:
        problem, label = kind(self.config.task), self.models.candidate.label
        scores = problem.scores(output, label.output).values
        errors = problem.row_errors(labels, scores)
        for row in self.mistakes.worst_of(errors):
            features = features_of(block.batch, row, excluded(self.config))
            shown, predicted = (
                problem.describe_label(labels[row], label.classes),
                problem.describe_prediction(scores[row], label.classes),
            )
            self.mistakes.add(float(errors[row]), Mistake(features, shown, predicted))

    def _keep(self, name: str, values: Values) -> None:
        self.parts.setdefault(name, []).append(values)

    def part(self) -> ScoredPart:
        """Return what was collected."""
        columns = {
            name: Column(np.concatenate(codes), self.vocabularies[name].values) for name, codes in self.codes.items()
        }
        part = ScoredPart(
            values={name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)},
            columns=columns,
            mistakes=self.mistakes.with_errors(),
            skills={name: skill.sums for name, skill in self.fitted.skills.items() if skill.sums is not None},
        )
        if self.champion is None:
            return part
        return part.with_champion(self.champion.part().compared_with(self.models.candidate.label))


def excluded(config: Config) -> set[str]:
    """Return the columns that are not features of the model: label and weight."""
    return {config.label} if config.weight is None else {config.label, config.weight}


def weights_of(config: Config, block: Block) -> Values | None:
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
