"""Transformed rows: computed once, kept in memory or on disk, and shuffled for every epoch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from artifacts.evaluation.columns import numbers
from artifacts.labels.soft_rows import Portion, training_batches
from core.errors import TrainingError, did_you_mean
from core.object_stores.locations import Location

Columns = dict[str, npt.NDArray[Any]]
"""Arrays of equally many rows by feature, the label and the weight among them."""
Block = tuple[Columns, npt.NDArray[Any]] | tuple[Columns, npt.NDArray[Any], npt.NDArray[np.float32]]
"""The features of some rows, their labels and, where rows are weighted, their weights."""
WEIGHT = "weight of the row"
SHARE = "probability of the row's label"
_TARGET = "replaced target"
_REPLACED_WEIGHT = "replaced weight"


@dataclass(frozen=True)
class Recipe:
    """How examples are converted to the rows that a model is trained on."""

    schema: schema_pb2.Schema
    transform: Callable[[dict[str, Any]], dict[str, Any]]
    """tf.Transform's layer."""
    label: str
    features: Sequence[str]
    """Transformed features that the model takes."""
    number: Callable[[pa.RecordBatch, npt.NDArray[Any] | None], npt.NDArray[Any]] | None = None
    """Makes the label that is trained on of raw rows and the transformed label."""
    weight: str | None = None
    altered: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None
    """Changes raw rows before they are transformed, to learn what a model makes of other ones."""

    def columns(self, examples: Location, portion: Portion, read_rows: int) -> Iterator[Columns]:
        """Yield the transformed rows of a portion in blocks; a row with a probabilistic label is one for each class.

        The label is the transformed one, or the raw one when the module drops it; TrainingError for one that is not a
        finite number.
        """
        raw = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["mlops"], schema=self.schema)
        adapter = TensorAdapter(raw.TensorAdapterConfig())
        for read, shares in training_batches(examples, portion, self.schema, self.label, read_rows):
            batch = read if self.altered is None else self.altered(read)
            tensors = adapter.ToBatchTensors(batch, produce_eager_tensors=True)
            transformed = self.transform(tensors)
            label = self._numbered(batch, transformed, tensors)
            if bad := int(np.count_nonzero(~np.isfinite(label.astype(np.float64)))):
                raise TrainingError(
                    f"{self.label}: wanted a finite label in every row of the split {portion.split!r}, got NaN or "
                    f"infinity in {bad} of {len(label)} rows; set disallow_nan in the schema, or correct "
                    "preprocessing_fn"
                )
            columns = {name: _dense(name, transformed) for name in self.features} | {self.label: label}
            if self.weight is not None:
                columns[WEIGHT] = _weights(batch, self.weight)
            yield columns if shares is None else columns | {SHARE: shares}

    def _numbered(
        self, batch: pa.RecordBatch, transformed: dict[str, Any], tensors: dict[str, Any]
    ) -> npt.NDArray[Any]:
        label = transformed.get(self.label)
        if self.number is None:
            return _dense(self.label, {self.label: tensors.get(self.label) if label is None else label})
        is_text = label is not None and label.dtype == tf.string
        return self.number(batch, None if label is None or is_text else _label(self.label, label, batch.num_rows))


def _label(name: str, value: Any, rows: int) -> npt.NDArray[Any]:
    """Return a transformed label as [rows, 1]."""
    array: npt.NDArray[Any] = (value.values if isinstance(value, tf.SparseTensor) else value).numpy()
    if array.size != rows:
        raise TrainingError(
            f"{name}: wanted one number a row from preprocessing_fn, got the shape {list(value.shape)}; a class is its "
            "number, not one column per class, and several labels a row (multi-label) cannot be trained on"
        )
    return array.reshape(rows, 1)


def _weights(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.float32]:
    weights = numbers(batch, name)
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        raise TrainingError(
            f"problem.weight {name!r}: wanted a number of at least 0 in every row, got another value in "
            f"{int(wrong.sum())} of {len(weights)} rows (such as {weights[wrong][0]}); "
            "set presence and float_domain in the schema"
        )
    return weights.astype(np.float32)


class Rows:
    """The rows of one split in blocks; blocks beyond a number of bytes are on disk."""

    def __init__(self, blocks: Iterator[Columns], label: str, folder: Path, memory_bytes: int) -> None:
        """Read all blocks; those that do not fit into `memory_bytes` are written to `folder`."""
        self.label = label
        self._blocks: list[Columns | Path] = []
        self._counts: list[int] = []
        self.labels: dict[float, float] = {}
        """Number of rows by value of the label, for up to _MANY different values; of probabilistic labels, the sum of
        their probabilities."""
        self.class_weights: Mapping[float, float] = {}
        """Weights of classes by number; others are 1."""
        self.is_soft = False
        """Whether labels are probabilistic, so that a row is there once for each class."""
        self.held_bytes = 0
        """Bytes of the blocks that are in memory."""
        self._replaced: Columns = {}
        held = 0
        for block in blocks:
            size = sum(values.nbytes for values in block.values())
            held += size
            self._add_labels(block[label], block.get(SHARE))
            self.is_soft = self.is_soft or SHARE in block
            self._counts.append(len(block[label]))
            fits = held <= memory_bytes
            self.held_bytes += size if fits else 0
            self._blocks.append(block if fits else _to_disk(block, folder / f"rows-{len(self._blocks)}.npz"))

    def __len__(self) -> int:
        return sum(self._counts)

    def replace(self, targets: npt.NDArray[Any] | None = None, weights: npt.NDArray[Any] | None = None) -> None:
        """Set what the loss gets instead of labels, [rows, any], or instead of all weights, [rows]; None restores them.

        Both are in the order of `blocks`. The next epoch uses them.
        """
        self._replaced = {}
        for name, values in ((_TARGET, targets), (_REPLACED_WEIGHT, weights)):
            if values is not None and len(values) != len(self):
                raise ValueError(f"{name}: wanted a value for each of {len(self)} rows, got {len(values)}")
            if values is not None:
                self._replaced[name] = np.asarray(values, np.float32)

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in the order of the examples."""
        for index in range(len(self._blocks)):
            yield self._split(self._load(index))

    def shuffled(self, order: "Order", epoch: int) -> Iterator[Block]:
        """Yield the rows in a different order for every epoch; the order depends only on seed and epoch."""
        random = np.random.default_rng((order.seed, epoch))
        group: list[int] = []
        for index in random.permutation(len(self._blocks)).tolist():
            group.append(index)
            if sum(self._counts[member] for member in group) >= order.rows:
                yield self._shuffled(group, random)
                group = []
        if group:
            yield self._shuffled(group, random)

    def labels_and_weights(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
        """Return the labels, [rows], and their weights in an evaluation; None where all are 1."""
        labels, weights = [], []
        for index in range(len(self._blocks)):
            columns = self._load(index)
            labels.append(np.asarray(columns[self.label], np.float64).reshape(-1))
            ones = np.ones(len(labels[-1]))
            weights.append(columns.get(WEIGHT, ones) * columns.get(SHARE, ones))
        is_weighted = self.is_soft or any(WEIGHT in self._load(index) for index in range(min(1, len(self._blocks))))
        return np.concatenate(labels), np.concatenate(weights).astype(np.float64) if is_weighted else None

    def example(self) -> Block:
        """Return the first row, as a block of one."""
        return self._split({name: values[:1] for name, values in self._load(0).items()})

    def _shuffled(self, group: list[int], random: np.random.Generator) -> Block:
        """Join blocks and shuffle their rows, feature by feature so that only one of them is held twice."""
        blocks = [self._load(index) for index in group]
        order = random.permutation(sum(self._counts[index] for index in group))
        return self._split({name: np.concatenate([block[name] for block in blocks])[order] for name in blocks[0]})

    def _split(self, columns: Columns) -> Block:
        own = {self.label, WEIGHT, SHARE, _TARGET, _REPLACED_WEIGHT}
        features = {name: values for name, values in columns.items() if name not in own}
        label = columns[self.label]
        target = columns.get(_TARGET, label)
        if _REPLACED_WEIGHT in columns:
            return features, target, columns[_REPLACED_WEIGHT]
        if WEIGHT not in columns and SHARE not in columns and not self.class_weights:
            return features, target
        ones = np.ones(len(label), np.float32)
        weights = columns.get(WEIGHT, ones) * columns.get(SHARE, ones)
        if self.class_weights:
            values, position = np.unique(label.reshape(len(label)), return_inverse=True)
            table = [self.class_weights.get(value, 1.0) for value in values.tolist()]
            weights = weights * np.array(table)[position]
        return features, target, np.asarray(weights, np.float32)

    def _load(self, index: int) -> Columns:
        block = self._blocks[index]
        if not isinstance(block, dict):
            with np.load(block, allow_pickle=False) as file:
                block = dict(file)
        start = sum(self._counts[:index])
        return block | {name: values[start : start + self._counts[index]] for name, values in self._replaced.items()}

    def _add_labels(self, labels: npt.NDArray[Any], shares: npt.NDArray[np.float32] | None) -> None:
        if len(self.labels) > _MANY:
            return
        values, position = np.unique(labels, return_inverse=True)
        counts = np.bincount(position.reshape(-1), shares, minlength=len(values))
        for value, count in zip(values[: _MANY + 1].tolist(), counts.tolist(), strict=False):
            self.labels[value] = self.labels.get(value, 0) + count


class Order(NamedTuple):
    """How rows are shuffled: in groups of `rows` rows, with a seed."""

    seed: int
    rows: int


_MANY = 10_000


def _dense(name: str, tensors: dict[str, Any]) -> npt.NDArray[Any]:
    value = tensors.get(name)
    if value is None:
        raise TrainingError(
            f"the model wants {name!r}, but preprocessing_fn does not return it{did_you_mean(name, tensors)}"
        )
    if not isinstance(value, tf.Tensor):
        raise TrainingError(
            f"{name}: wanted a dense tensor from preprocessing_fn, got {type(value).__name__}; make it dense there"
        )
    array: npt.NDArray[Any] = value.numpy()
    if array.dtype == object:
        raise TrainingError(f"{name}: wanted numbers from preprocessing_fn, got strings; give them a vocabulary there")
    return array


def _to_disk(block: Columns, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **block)
    return path
