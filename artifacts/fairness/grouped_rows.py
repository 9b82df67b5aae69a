"""Scores a split with a model, and keeps of each row its label, its score and its groups."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import Vocabulary, categories, numbers
from artifacts.evaluation.slices import Column, groups
from artifacts.evaluation.spec import Features
from artifacts.fairness.rates import Rows
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Splits
from core.errors import ConfigError, DataError, EmptyDataset, did_you_mean
from problems import kind


@dataclass(frozen=True)
class GroupedRows:
    """The rows of a split with the groups that they are in."""

    rows: Rows
    columns: dict[str, Column]
    """By feature: a code per row, and the values that codes index."""

    def grouping(self, features: Features, most: int) -> "NumberedGroups":
        """Number the groups of some crossed features; ConfigError for more than `most`."""
        return NumberedGroups.of(self.columns, features, most)


@dataclass(frozen=True)
class NumberedGroups:
    """The groups of some crossed features."""

    features: Features
    values: list[tuple[str, ...]]
    """Of each group, in the order of the features."""
    numbers: NDArray[np.int64]
    """[rows]: the number of each row's group, -1 where a feature is missing."""

    @classmethod
    def of(cls, columns: Mapping[str, Column], features: Features, most: int) -> Self:
        """Number the groups of some crossed features, the largest first; ConfigError for more than `most`."""
        found = groups(columns, features, most)
        if found.left_out:
            raise ConfigError(
                f"config.yaml: wanted at most {most} groups of {' x '.join(features)}, got "
                f"{len(found.slices) + found.left_out}; group by a coarser feature"
            )
        slices = sorted(found.slices, key=lambda one: -len(one[1]))
        numbers = np.full(len(columns[features[0]].codes), -1, np.int64)
        for number, (_, rows) in enumerate(slices):
            numbers[rows] = number
        values = [tuple(str(dict(key)[feature]) for feature in features) for key, _ in slices]
        return cls(features, values, numbers)


def score(
    model: ScoringModel, splits: Splits, split: str, features: Iterable[Features], weight: str | None = None
) -> GroupedRows:
    """Score a split of a binary classification.

    Raises ConfigError for a feature that the schema lacks, EmptyDataset for a split without rows, DataError for labels
    or scores that cannot be used.
    """
    wanted = sorted(set(chain.from_iterable(features)))
    check_features(wanted, splits)
    vocabularies = {name: Vocabulary() for name in wanted}
    codes: dict[str, list[NDArray[np.int32]]] = {name: [] for name in wanted}
    labels, outputs, weights = [], [], []
    reader = None
    for block in splits.blocks(split, 8192):
        reader = reader or LabelReader(model.label, 2, model.folder)
        labels.append(reader(block))
        outputs.append(model.predictor(block.serialized))
        if weight is not None:
            weights.append(numbers(block.batch, weight))
        for name in wanted:
            codes[name].append(vocabularies[name].add(*categories(block.batch, name)))
    if not labels:
        raise EmptyDataset(f"the split {split!r} has no rows, so no group has any; widen ingest_examples.window")
    scores = kind(model.label.task).scores(np.concatenate(outputs), model.label.output).values
    if not np.isfinite(scores).all():
        raise DataError(f"{model.folder}: wanted finite predictions of the split {split!r}, got NaN or infinity")
    columns = {name: Column(np.concatenate(codes[name]), vocabularies[name].values) for name in wanted}
    rows = Rows(np.concatenate(labels), scores, np.concatenate(weights) if weights else None)
    return GroupedRows(rows, columns)


def check_features(features: Iterable[str], splits: Splits) -> None:
    """Raise ConfigError for a feature that the schema lacks."""
    known = [feature.name for feature in splits.schema.feature]
    for name in features:
        if name not in known:
            raise ConfigError(
                f"config.yaml: wanted features of the schema as groups, got {name!r}{did_you_mean(name, known)}"
            )
