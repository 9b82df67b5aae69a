"""Reads the splits and lets every rival predict the same rows, batch by batch; of a row only what is judged by stays.

That is the label, one number (per class) from each rival and a code per sliced feature: a few tens of bytes a row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import tfrecord
from artifacts.examples.shards import shards
from components.evaluate_model.baselines import Method, Sample, fit, one_feature
from components.evaluate_model.columns import Values, Vocabulary, categories, numbers
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CANDIDATE, CHAMPION
from components.evaluate_model.leak import FeatureSkill
from components.evaluate_model.parity import parity_rows
from components.evaluate_model.predictor import Predictor
from components.evaluate_model.slices import Column
from core.errors import DataError, SchemaError


@dataclass(frozen=True)
class Judged:
    """The rows of the eval split as everybody predicted them."""

    labels: Values
    """[rows]: 0 or 1, a number, or the index of a class."""
    models: Mapping[str, Values]
    """Predictions of the candidate and, if there is one that answers, the champion."""
    baselines: Mapping[str, Values]
    """Predictions of the baselines by their names."""
    columns: Mapping[str, Column]
    """The features that slices are made of."""
    feature_skill: Mapping[str, float]
    """What each raw feature alone tells of the label."""
    parity: tuple[dict[str, Any], ...]
    """Raw rows with the candidate's predictions."""
    champion_fault: str = ""
    """Why the champion could not predict these rows; empty when it could."""


class Examples:
    """An examples folder, read as serialized tf.Examples and as record batches at once."""

    def __init__(self, folder: Path, schema: schema_pb2.Schema, label: str) -> None:
        self._folder = folder
        self._spec = {
            f.name: tf.io.RaggedFeature(_TYPES[f.type], row_splits_dtype=tf.int64)
            for f in schema.feature
            if f.type in _TYPES
        }
        features = [feature for feature in schema.feature if feature.name != label]
        symbols = {
            f.name
            for f in features
            if f.type == schema_pb2.BYTES or (f.type == schema_pb2.INT and f.int_domain.is_categorical)
        }
        self.numeric = tuple(f.name for f in features if f.name not in symbols)
        self.categorical = tuple(f.name for f in features if f.name in symbols)

    def serialized(self, split: str, batch_size: int) -> Iterator[list[bytes]]:
        """Yield a split's records after its files are verified; CorruptArtifact names one that is not what was written."""
        for path in shards(self._folder, split):
            records = tfrecord.read_trusted(tfrecord.inflate(path))
            while block := list(islice(records, batch_size)):
                yield block

    def decode(self, serialized: tf.Tensor) -> pa.RecordBatch:
        """Decode records as tfx_bsl's decoder does, on all cores; SchemaError when one is not of the schema's types."""
        try:
            parsed = tf.io.parse_example(serialized, self._spec)
        except tf.errors.InvalidArgumentError as error:
            raise SchemaError(f"{self._folder}: wanted features of the schema's types, got {error.message}") from error
        return pa.RecordBatch.from_arrays([_lists(parsed[name]) for name in self._spec], list(self._spec))

    def sample(self, split: str, size: int, seed: int) -> pa.RecordBatch:
        """Draw rows of a split uniformly, in one pass and in their order."""
        random = np.random.default_rng(seed)
        kept: list[bytes] = []
        tickets = np.zeros(0)
        for block in self.serialized(split, size):
            kept, tickets = kept + block, np.concatenate([tickets, random.random(len(block))])
            if len(kept) > size:
                chosen = np.sort(np.argpartition(tickets, size)[:size])
                kept, tickets = [kept[row] for row in chosen], tickets[chosen]
        return self.decode(tf.constant(kept))


_TYPES = {schema_pb2.INT: tf.int64, schema_pb2.FLOAT: tf.float32, schema_pb2.BYTES: tf.string}


def _lists(ragged: tf.RaggedTensor) -> pa.Array:
    kind = pa.large_binary() if ragged.dtype == tf.string else None
    return pa.LargeListArray.from_arrays(
        pa.array(ragged.row_splits.numpy()), pa.array(ragged.values.numpy(), type=kind)
    )


class Targets:
    """Reads labels as numbers; for several classes also one-hot."""

    def __init__(self, config: Config, classes: list[str], width: int) -> None:
        self._config = config
        self._classes = {name: index for index, name in enumerate(classes)}
        self._width = width

    def labels(self, batch: pa.RecordBatch) -> Values:
        """Return a label per row; DataError says which labels cannot be judged by."""
        name, task = self._config.label, self._config.task
        index = batch.schema.get_field_index(name)
        if index >= 0 and pa.types.is_large_binary(batch.schema.field(index).type.value_type):
            codes, values = categories(batch, name)
            table = np.array([*(self._classes.get(value, np.nan) for value in values), np.nan])
            labels = table[codes]
        else:
            labels = numbers(batch, name)
        wrong = ~np.isfinite(labels)
        if task != "regression":
            wrong |= (labels != np.floor(labels)) | (labels < 0) | (labels >= self._width)
        if wrong.any():
            wanted = (
                "a number"
                if task == "regression"
                else f"a class from 0 to {self._width - 1}, or a name among {list(self._classes)}"
            )
            raise DataError(
                f"label {name!r}: wanted {wanted} in every row, got {wrong.sum()} of {len(labels)} rows without (such as {labels[wrong][0]})"
            )
        return labels

    def targets(self, labels: Values) -> Values:
        """Return what baselines are fitted to: the label itself, or one-hot [rows, classes]."""
        if self._config.task != "multiclass_classification":
            return labels
        return np.eye(self._width)[labels.astype(np.int64)]


class Rivals(NamedTuple):
    """The models that predict the same rows."""

    candidate: Predictor
    champion: Predictor | None


@dataclass
class _Judge:
    """Collects what is judged by, batch after batch."""

    config: Config
    rivals: Rivals
    targets: Targets
    methods: dict[str, Method]
    skills: dict[str, FeatureSkill]
    parts: dict[str, list[Values]] = field(default_factory=dict)
    codes: dict[str, list[Any]] = field(default_factory=dict)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    champion_fault: str = ""

    def add(self, rows: tf.Tensor, batch: pa.RecordBatch) -> Values:
        """Let everybody predict a batch; returns the candidate's predictions."""
        labels = self.targets.labels(batch)
        targets = self.targets.targets(labels)
        predictions = self.rivals.candidate(rows)
        self._keep("label", labels)
        self._keep(CANDIDATE, predictions)
        self._ask_champion(rows)
        for name, method in self.methods.items():
            self._keep(f"baseline {name}", method.predict(batch).astype(np.float32))
        for skill in self.skills.values():
            skill.add(batch, targets)
        for name in {name for features in self.config.slices for name in features}:
            vocabulary = self.vocabularies.setdefault(name, Vocabulary())
            self.codes.setdefault(name, []).append(vocabulary.add(*categories(batch, name)))
        return predictions

    def _ask_champion(self, rows: tf.Tensor) -> None:
        if self.rivals.champion is None or self.champion_fault:
            return
        try:
            self._keep(CHAMPION, self.rivals.champion(rows))
        except tf.errors.OpError as error:
            # TensorFlow puts what happened between where it happened and the name of the node.
            lines = [line for line in str(error.message).split("\n\t [[")[0].splitlines() if line]
            self.champion_fault = lines[-1] if lines else type(error).__name__

    def _keep(self, name: str, values: Values) -> None:
        self.parts.setdefault(name, []).append(values)

    def result(self, parity: tuple[dict[str, Any], ...]) -> Judged:
        """Put the batches together."""
        whole = {name: np.concatenate(self.parts.pop(name)) for name in list(self.parts)}
        rivals = (CANDIDATE,) if self.champion_fault else (CANDIDATE, CHAMPION)
        return Judged(
            labels=whole["label"],
            models={name: whole[name] for name in rivals if name in whole},
            baselines={name: whole[f"baseline {name}"] for name in self.methods},
            columns={
                name: Column(np.concatenate(codes), self.vocabularies[name].values)
                for name, codes in self.codes.items()
            },
            feature_skill={name: skill.value() for name, skill in self.skills.items()},
            parity=parity,
            champion_fault=self.champion_fault,
        )


def judge(config: Config, examples: Examples, rivals: Rivals) -> Judged:
    """Fit the baselines on the train split and let everybody predict the eval split."""
    first = next(examples.serialized("eval", 1))
    probe = rivals.candidate(tf.constant(first))
    classes = rivals.candidate.classes(tf.constant(first)) if config.task == "multiclass_classification" else []
    targets = Targets(config, classes, probe.shape[1] if probe.ndim == 2 else 2)
    methods, skills = _fitted(config, examples, targets)
    judging = _Judge(config, rivals, targets, methods, skills)
    parity: tuple[dict[str, Any], ...] = ()
    for serialized in examples.serialized("eval", config.batch_size):
        rows = tf.constant(serialized)
        batch = examples.decode(rows)
        predictions = judging.add(rows, batch)
        parity = parity or parity_rows(batch, predictions, config)
    return judging.result(parity)


def _fitted(config: Config, examples: Examples, targets: Targets) -> tuple[dict[str, Method], dict[str, FeatureSkill]]:
    """Fit the baselines and, for the leak guard, a table per feature; nothing is read when neither is asked for."""
    guarded = config.leak.feature_above is not None
    if not config.baselines and not guarded:
        return {}, {}
    drawn = examples.sample("train", config.baseline_examples, config.seed)
    sample = Sample(drawn, targets.targets(targets.labels(drawn)), config.task, examples.numeric, examples.categorical)
    methods = {baseline.name: fit(baseline, sample) for baseline in config.baselines}
    tables = {
        name: one_feature(name, sample, smoothing=20) for name in (*examples.numeric, *examples.categorical) if guarded
    }
    return methods, {name: FeatureSkill(config.task, table) for name, table in tables.items()}
