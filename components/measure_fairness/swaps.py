"""Swaps the group of rows, and nothing else, and counts the predictions that change."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.evaluation.columns import Vocabulary, categories
from artifacts.fairness.grouped_rows import GroupedRows
from artifacts.fairness.intervals import wilson
from artifacts.fairness.measurement import Estimate, Swapped
from artifacts.model.schema_features import schema_features
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Block, Splits
from components.measure_fairness.config import Config, SwapRule
from problems import kind

MOST_VALUES = 50
"""Values of a feature that are tried; of more, the ones that come first in the sample."""


def swap(config: Config, rule: SwapRule, splits: Splits, model: ScoringModel, scored: GroupedRows) -> Iterator[Swapped]:
    """Give a sample of rows every other value of each feature in turn, and predict them again."""
    sample = splits.sample("eval", rule.rows, config.seed)
    inputs = {feature.name for feature in schema_features(splits.schema, config.label, config.weight)}
    before = _scores(model, sample.serialized)
    for name in rule.features:
        values = scored.columns[name].values if name in scored.columns else _values(sample, name)
        changes = [_scores(model, _with(sample.serialized, name, value)) - before for value in values[:MOST_VALUES]]
        yield _result(config, name, before, np.stack(changes), is_input=name in inputs)


def _result(config: Config, name: str, before: Any, changes: Any, *, is_input: bool) -> Swapped:
    """Summarize the changes of the score, [values, rows]."""
    was, now = before > config.decision_threshold, before + changes > config.decision_threshold
    changed = (was != now).any(axis=0)
    share = np.array(changed.mean())
    interval = wilson(share, np.array(float(len(changed))), config.confidence)
    largest = np.abs(changes).max(axis=0)
    return Swapped(
        feature=name,
        is_input=is_input,
        changed=Estimate(value=float(share), low=float(interval.low), high=float(interval.high), rows=len(changed)),
        mean_change=float(largest.mean()),
        largest_change=float(largest.max()),
    )


def _scores(model: ScoringModel, serialized: tf.Tensor) -> Any:
    output = model.predictor(serialized)
    return np.asarray(kind(model.label.task).scores(output, model.label.output).values, np.float64)


def _values(sample: Block, name: str) -> list[Any]:
    vocabulary = Vocabulary()
    vocabulary.add(*categories(sample.batch, name))
    return vocabulary.values


def _with(serialized: tf.Tensor, name: str, value: Any) -> tf.Tensor:
    """Return the rows with one value of a feature, and everything else as it was."""
    changed = []
    for record in serialized.numpy():
        example = tf.train.Example.FromString(record)
        feature = example.features.feature[name]
        feature.Clear()
        if isinstance(value, str | bytes):
            feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.int64_list.value.append(int(value))
        changed.append(example.SerializeToString())
    return tf.constant(changed)
